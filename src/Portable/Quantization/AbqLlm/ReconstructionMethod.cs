using System.Globalization;
using Portable.Calibration;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Reference.Quantization;
using Portable.Reference.Training;

namespace Portable.Quantization.AbqLlm;

/// <summary>
/// Methods that train blocks: ABQ-LLM, and OmniQuant by configuration. Every part has a switch; an empty option leaves what
/// the recipe says.
/// </summary>
/// <param name="name">Name on the command line.</param>
/// <param name="summary">Line of help.</param>
/// <param name="recipes">Recipes by name, the default first; weight bits in, options out.</param>
internal sealed class ReconstructionMethod(string name, string summary, params (string Name, Func<int, AbqOptions> Options)[] recipes) : IQuantizationMethod
{
    private static readonly MethodOption Epochs = new("epochs", "", "passes over the calibration windows per block, one step per window");
    private static readonly MethodOption Smoothing = new("smoothing", "", "learn the equivalent transformation: on, off");
    private static readonly MethodOption SmoothUpDown = new("smoothing-down", "", "smooth the pair up/down too: on, off");
    private static readonly MethodOption SmoothingForm = new("smoothing-form", "", "what is trained of a smoothing vector: logarithm, value");
    private static readonly MethodOption SmoothingAlpha = new("smoothing-alpha", "", "start of the smoothing vectors, a^alpha / w^(1-alpha), 0 … 1");
    private static readonly MethodOption SmoothingRate = new("smoothing-rate", "", "learning rate of the smoothing vectors");
    private static readonly MethodOption Clipping = new("clipping", "", "learn weight clipping: on, off");
    private static readonly MethodOption ClippingRate = new("clipping-rate", "", "learning rate of the clipping logits");
    private static readonly MethodOption ClippingSearch = new("clipping-search", "", "start clipping at the factors of least weighted error: on, off");
    private static readonly MethodOption Grid = GridOption.Option with { Default = "", Help = "start of clipping: search (grids of least weighted squared error), minmax (as clipping-search says)" };
    private static readonly MethodOption Compensation = new("compensation", "", "trained correction of weights before they are quantized: none, rank-one, full");
    private static readonly MethodOption RankOneRate = new("rank-one-rate", "", "learning rate of the rank-one compensation");
    private static readonly MethodOption OffsetRate = new("offset-rate", "", "learning rate of the full compensation, in grid steps");
    private static readonly MethodOption Mse = new("mse-weight", "", "factor of the squared errors");
    private static readonly MethodOption MseForm = new("mse-form", "", "squared errors: relative (to the teacher's mean square), absolute");
    private static readonly MethodOption Cosine = new("cosine-weight", "", "factor of the double-log-cosine terms");
    private static readonly MethodOption Teachers = new("teachers", "", "teachers compared with: both, float");
    private static readonly MethodOption Attention = new("attention", "", "attention divergence: none, per-row, published");
    private static readonly MethodOption AttentionWeight = new("attention-weight", "", "factor of the attention divergence");
    private static readonly MethodOption Order = new("order", "", "windows in every pass: shuffled, fixed");
    private static readonly MethodOption Schedule = new("schedule", "", "learning rates: constant, cosine");
    private static readonly MethodOption Patience = new("patience", "", "stop a block after so many passes without improvement; 0 = never");

    private static readonly MethodOption Arithmetic = new("arithmetic", "f32", "float products of training: f32 (the same bytes on every device), f16x3 (a GPU's matrix units; bytes of that kind of GPU), auto (the fastest that the device has)") { Unrecorded = "f32" };

    public string Name => name;

    public string Summary => summary;

    public bool NeedsCalibration => true;

    public IReadOnlyList<MethodOption> Options { get; } = WithRecipe(recipes[0].Options(4), recipes);

    public MethodOptions Settle(MethodOptions options, QuantizationScheme scheme, ICalibrationDevice? device, Action<string> say)
    {
        string arithmetic = ArithmeticOn(options, device, say);
        MethodOptions named = options with { Named = new Dictionary<string, string>(options.Named) { [Arithmetic.Name] = arithmetic } };
        return named.WithoutDefaults(Options, o => (Read(o, scheme), o.Text(Arithmetic)));
    }

    public void Check(MethodOptions options, QuantizationScheme scheme, bool calibrated)
    {
        scheme.RequireSymmetric(weights: false, activations: false);
        _ = (Read(options, scheme), Asked(options));
    }

    public IBlockQuantizer Prepare(QuantizationContext context)
    {
        AbqOptions recipe = Read(context.Options, context.Scheme);
        foreach ((MethodOption option, string why) in Idle(recipe).Where(i => context.Options.Text(i.Option).Length > 0))
        {
            context.Warn($"the option {option.Name} is not used {why}");
        }

        return new BlockReconstruction(context, recipe, ArithmeticOn(context.Options, context.Device, context.Say));
    }

    private static string Asked(MethodOptions options) => options.Choice(Arithmetic, "f32", "f16x3", "auto");

    private static string ArithmeticOn(MethodOptions options, ICalibrationDevice? device, Action<string> say)
    {
        IReadOnlyList<string> known = device?.TrainingArithmetics is { Count: > 0 } own ? own : CpuCalibration.Arithmetics;
        string asked = Asked(options);
        if (asked == "auto")
        {
            say($"{Arithmetic.Name}: {known[0]}, {(known.Count > 1 ? $"the fastest that the device has of {string.Join(", ", known)}" : "the only one that the device has")}");
            return known[0];
        }

        return known.Contains(asked) ? asked
            : throw new MethodUsageException($"{Arithmetic.Name} {asked} needs a GPU with matrix units of 16-bit floats (a Vulkan device); {(device is null ? "the CPU" : "this one")} has {string.Join(", ", known)}.", Arithmetic.Name);
    }

    /// <summary>Options without effect beside the others, and why.</summary>
    private static IEnumerable<(MethodOption Option, string Why)> Idle(AbqOptions o)
    {
        (bool Idle, string Why, MethodOption[] Options)[] rules =
        [
            (!o.Clipping, "while clipping is off", [Grid, ClippingSearch, ClippingRate]),
            (o is { Clipping: true, SearchedGrids: true }, "beside grid search", [ClippingSearch]),
            (!o.Smoothing, "while smoothing is off", [SmoothUpDown, SmoothingForm, SmoothingAlpha, SmoothingRate]),
            (o.Compensation != WeightCompensation.RankOne, "without compensation rank-one", [RankOneRate]),
            (o.Compensation != WeightCompensation.Full, "without compensation full", [OffsetRate]),
            (o.Attention == AttentionDivergence.None, "while attention is none", [AttentionWeight]),
            (o.MseWeight == 0, "while mse-weight is 0", [MseForm]),
        ];
        return rules.Where(r => r.Idle).SelectMany(r => r.Options.Select(option => (option, r.Why)));
    }

    private AbqOptions Read(MethodOptions options, QuantizationScheme scheme)
    {
        string recipe = options.Choice(Options[0], [.. recipes.Select(r => r.Name)]);
        AbqOptions o = recipes.First(r => r.Name == recipe).Options(scheme.WeightBits);
        return o with
        {
            Seed = options.Seed,
            Epochs = (int)Number(options, Epochs, o.Epochs, 0, 10000),
            Smoothing = Switch(options, Smoothing, o.Smoothing),
            SmoothUpDown = Switch(options, SmoothUpDown, o.SmoothUpDown),
            LogarithmicSmoothing = Pick(options, SmoothingForm, o.LogarithmicSmoothing, ("logarithm", true), ("value", false)),
            SmoothingAlpha = Number(options, SmoothingAlpha, o.SmoothingAlpha, 0, 1),
            SmoothingRate = Number(options, SmoothingRate, o.SmoothingRate, 0, 1),
            Clipping = Switch(options, Clipping, o.Clipping),
            ClippingRate = Number(options, ClippingRate, o.ClippingRate, 0, 1),
            ClippingSearch = Switch(options, ClippingSearch, o.ClippingSearch),
            SearchedGrids = Pick(options, Grid, o.SearchedGrids && options.Text(ClippingSearch).Length == 0, ("search", true), ("minmax", false)),
            Compensation = Pick(options, Compensation, o.Compensation, ("none", WeightCompensation.None), ("rank-one", WeightCompensation.RankOne), ("full", WeightCompensation.Full)),
            RankOneRate = Number(options, RankOneRate, o.RankOneRate, 0, 1),
            OffsetRate = Number(options, OffsetRate, o.OffsetRate, 0, 1),
            MseWeight = Number(options, Mse, o.MseWeight, 0, 1e6),
            RelativeMse = Pick(options, MseForm, o.RelativeMse, ("relative", true), ("absolute", false)),
            CosineWeight = Number(options, Cosine, o.CosineWeight, 0, 1e6),
            BothTeachers = Pick(options, Teachers, o.BothTeachers, ("both", true), ("float", false)),
            Attention = Pick(options, Attention, o.Attention, ("none", AttentionDivergence.None), ("per-row", AttentionDivergence.PerRow), ("published", AttentionDivergence.Published)),
            AttentionWeight = Number(options, AttentionWeight, o.AttentionWeight, 0, 1e6),
            Shuffle = Pick(options, Order, o.Shuffle, ("shuffled", true), ("fixed", false)),
            CosineSchedule = Pick(options, Schedule, o.CosineSchedule, ("constant", false), ("cosine", true)),
            Patience = (int)Number(options, Patience, o.Patience, 0, 10000),
        };
    }

    private static MethodOption[] WithRecipe(AbqOptions o, (string Name, Func<int, AbqOptions> Options)[] recipes)
    {
        string Number(float value) => value.ToString(CultureInfo.InvariantCulture);
        string Switch(bool on) => on ? "on" : "off";
        return
        [
            new MethodOption("recipe", recipes[0].Name, $"training recipe, which sets all that is not given: {string.Join(", ", recipes.Select(r => r.Name))}"),
            Epochs with { Implied = Number(o.Epochs) },
            Smoothing with { Implied = Switch(o.Smoothing) },
            SmoothUpDown with { Implied = Switch(o.SmoothUpDown) },
            SmoothingForm with { Implied = o.LogarithmicSmoothing ? "logarithm" : "value" },
            SmoothingAlpha with { Implied = Number(o.SmoothingAlpha) },
            SmoothingRate with { Implied = Number(o.SmoothingRate) },
            Clipping with { Implied = Switch(o.Clipping) },
            ClippingRate with { Implied = Number(o.ClippingRate) },
            ClippingSearch with { Implied = Switch(o.ClippingSearch) },
            Grid with { Implied = recipes[0].Options(2).SearchedGrids ? "search with up to 2 bits, else minmax; minmax where clipping-search is given" : "minmax" },
            Compensation with { Implied = o.Compensation switch { WeightCompensation.None => "none", WeightCompensation.RankOne => "rank-one", _ => "full" } },
            RankOneRate with { Implied = Number(o.RankOneRate) },
            OffsetRate with { Implied = Number(o.OffsetRate) },
            Mse with { Implied = Number(o.MseWeight) },
            MseForm with { Implied = o.RelativeMse ? "relative" : "absolute" },
            Cosine with { Implied = Number(o.CosineWeight) },
            Teachers with { Implied = o.BothTeachers ? "both" : "float" },
            Attention with { Implied = o.Attention switch { AttentionDivergence.None => "none", AttentionDivergence.PerRow => "per-row", _ => "published" } },
            AttentionWeight with { Implied = Number(o.AttentionWeight) },
            Order with { Implied = o.Shuffle ? "shuffled" : "fixed" },
            Schedule with { Implied = o.CosineSchedule ? "cosine" : "constant" },
            Patience with { Implied = Number(o.Patience) },
            Arithmetic,
        ];
    }

    private static float Number(MethodOptions options, MethodOption option, float recipe, double minimum, double maximum) =>
        options.Text(option).Length == 0 ? recipe : (float)options.Number(option, minimum, maximum);

    private static bool Switch(MethodOptions options, MethodOption option, bool recipe) =>
        options.Text(option).Length == 0 ? recipe : options.Switch(option);

    private static T Pick<T>(MethodOptions options, MethodOption option, T recipe, params (string Name, T Value)[] values)
    {
        if (options.Text(option).Length == 0)
        {
            return recipe;
        }

        string chosen = options.Choice(option, [.. values.Select(v => v.Name)]);
        return values.First(v => v.Name == chosen).Value;
    }
}
