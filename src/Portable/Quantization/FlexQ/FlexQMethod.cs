using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Models;
using Portable.Quantization.Baselines;
using Portable.Reference.BitPlanes;
using Portable.Reference.Algorithms.FlexQ;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlexQ;

/// <summary>
/// FlexQ: groups for weights and activations, with 8-bit activations kept where the sensitivity analysis says so (with
/// calibration), or where the authors' published outcome does (without). The paper's weights are symmetric min-max, rounded to
/// nearest; ours have zero points and searched grids, and rounding errors are compensated where there is calibration.
/// </summary>
internal sealed class FlexQMethod : IQuantizationMethod
{
    private const string State = "flexq-sensitivity";

    // Multiply-adds of the windows' way through the blocks, roughly, that take minutes on a fast GPU.
    private const double LongRun = 1e14;

    private static readonly MethodOption Recipe = new("recipe", "", "weights: default (zero points, searched grids, compensation where there is calibration), paper (symmetric, min-max, to nearest: with calibration a quarter of the time); sets all that is not given")
    {
        Implied = "default; paper with --grid minmax",
        Unrecorded = "",
    };

    private static readonly MethodOption Grid = GridOption.Option with { Default = "", Implied = "search; minmax with --recipe paper", Unrecorded = "minmax" };
    private static readonly MethodOption Levels = new("levels", "", "weight grids: asymmetric (with zero points), symmetric") { Implied = "asymmetric; symmetric with --recipe paper", Unrecorded = "" };
    private static readonly MethodOption Budget = new("a8-budget", "rule", "largest share of multiply-adds with 8-bit activations, 0 … 1; rule = the share of down_proj (OPT: fc2)");
    private static readonly MethodOption Granularity = new("a8-by", "best", "unit of the decision: type (over all blocks), layer (single linears), best (whichever measures better)");
    private static readonly MethodOption Refine = new("refine", "", "refinement of the weights: off, gptq (compensates rounding errors; needs calibration)") { Implied = "gptq with calibration; off without or with --recipe paper" };

    public string Name => "flexq";

    public string Summary => "FlexQ: groups for weights and activations, 8-bit activations where a sensitivity analysis asks for them";

    public bool NeedsCalibration => false;

    public IReadOnlyList<MethodOption> Options => [Recipe, Grid, Levels, Budget, Granularity, Refine];

    public MethodOptions Settle(MethodOptions options, QuantizationScheme scheme, ICalibrationDevice? device, Action<string> say) =>
        options.WithoutDefaults(Options, o => (Sensitivity(o), Weights(o, o.CalibrationText is not null)));

    public void Check(MethodOptions options, QuantizationScheme scheme, bool calibrated)
    {
        FlexQQuantizer.Check(scheme);
        SensitivityOptions sensitivity = Sensitivity(options);
        if (Weights(options, calibrated).Compensates && !calibrated)
        {
            throw new MethodUsageException("refine gptq needs a calibration text.", "refine");
        }

        if (sensitivity.Budget is not null && !calibrated)
        {
            throw new MethodUsageException("a8-budget needs a calibration text: without one the authors' rule is used.", "a8-budget");
        }
    }

    public IBlockQuantizer Prepare(QuantizationContext context)
    {
        MethodOptions options = context.Options;
        SensitivityOptions sensitivity = Sensitivity(options);
        FlexQWeights weights = Weights(options, context.Calibration is not null);
        if (weights.Compensates && Work(context) > LongRun)
        {
            context.Say("weights are compensated as gptq does, which takes most of the time: the recipe paper leaves that out, and fewer samples shorten it");
        }

        return new Quantizer(context, Decide(context, sensitivity), sensitivity.HighBits, weights);
    }

    private static SensitivityOptions Sensitivity(MethodOptions options) =>
        new(options.Text(Budget) == "rule" ? null : options.Number(Budget, 0, 1), options.Choice(Granularity, "type", "layer", "best"));

    private static FlexQWeights Weights(MethodOptions options, bool calibrated)
    {
        bool Is(MethodOption option, bool implied, string yes, string no) => options.Text(option).Length == 0 ? implied : options.Choice(option, yes, no) == yes;
        bool ours = Is(Recipe, options.Text(Grid) != "minmax", "default", "paper");
        return new FlexQWeights(Is(Levels, ours, "asymmetric", "symmetric"), Is(Grid, ours, "search", "minmax"), Is(Refine, ours && calibrated, "gptq", "off"));
    }

    private static double Work(QuantizationContext context) =>
        12.0 * context.Source.Config.HiddenSize * context.Source.Config.HiddenSize * context.Source.Config.Layers * context.Calibration!.Windows.Sum(w => (double)w.Length);

    /// <summary>The table, or null where there is nothing to measure with or nothing to decide.</summary>
    private static SensitivityTable? Decide(QuantizationContext context, SensitivityOptions options)
    {
        if (context.Scheme.ActivationBits >= options.HighBits)
        {
            context.Say($"activations have {context.Scheme.ActivationBits} bits everywhere: no sensitivity analysis");
            return null;
        }

        if (context.Calibration is null)
        {
            context.Say("no calibration text: 8-bit activations by the authors' rule (down_proj; OPT fc2)");
            return null;
        }

        SensitivityTable? table = context.Recall(State) is { } kept ? SensitivityTable.FromJson(kept) : null;
        if (table is null)
        {
            table = SensitivityAnalysis.Run(context, options);
            context.Keep(State, table.ToJson());
        }

        foreach (string line in table.Describe())
        {
            context.Say(line);
        }

        return table;
    }

    private sealed class Quantizer : IBlockQuantizer, IDisposable
    {
        private readonly QuantizationScheme _scheme;
        private readonly ScaleFormat _scales;
        private readonly HashSet<string>? _retained;
        private readonly int _highBits;
        private readonly FlexQWeights _weights;
        private readonly BlockCompensation? _compensation;
        private readonly ICalibrationDevice _device;

        public Quantizer(QuantizationContext context, SensitivityTable? table, int highBits, FlexQWeights weights)
        {
            (_scheme, _scales, _highBits, _weights, _retained) = (context.Scheme.Layer, context.Scales, highBits, weights, table?.Retained.ToHashSet());
            _device = context.Device ?? new CpuCalibration();
            _compensation = weights.Compensates ? new BlockCompensation(context, CompensationOptions.Implied(weights.Searches), Format, Grids, Kind) : null;
            Manifest = new()
            {
                ["activations"] = table is not null ? "sensitivity analysis" : _scheme.ActivationBits >= highBits ? "uniform" : "authors' rule: 8 bits on down_proj (OPT: fc2)",
                ["sensitivity"] = table?.ToJson(),
                ["refine"] = weights.Compensates ? "gptq" : "off",
            };
        }

        public CalibrationInputs Inputs => _compensation is not null ? CalibrationInputs.Quantized : _weights.Searches ? CalibrationInputs.Float : CalibrationInputs.None;

        public JsonObject? Manifest { get; }

        public QuantizedBlock Quantize(int index, BlockWeights block, BlockStream? stream)
        {
            Dictionary<string, WeightCodes> codes = _compensation?.Quantize(index, block, stream!) ?? Nearest(block, stream);
            return new QuantizedBlock(block.MapLinears((slot, linear) =>
            {
                QuantizationScheme own = Retains(slot, linear) ? _scheme.WithActivationBits(_highBits) : _scheme;
                return linear.WithQuantized(codes[linear.Name].ToLinear(linear.Bias, FlexQQuantizer.Input(own.ActivationBits, own.GroupSize)), own);
            }));
        }

        public void Dispose() => _compensation?.Dispose();

        private bool Retains(BlockSlot slot, LinearWeights linear) =>
            _scheme.ActivationBits < _highBits && (_retained?.Contains(linear.Name) ?? SensitivityAnalysis.AuthorsRule(slot));

        private Dictionary<string, WeightCodes> Nearest(BlockWeights block, BlockStream? stream)
        {
            Dictionary<BlockInput, double[]>? squares = _weights.Searches && stream is not null ? ChannelSquares.Observe(block, stream) : null;
            Dictionary<string, WeightCodes> nearest = [];
            foreach (BlockInput input in BlockInputs.All)
            {
                foreach (LinearWeights linear in block.Reading(input))
                {
                    if (_weights.Searches)
                    {
                        GroupLayout layout = new(linear.InputFeatures(), _scheme.GroupSize);
                        WeightCodes searched = new(linear.OutputFeatures, layout, Format, new WeightGrid[linear.OutputFeatures * layout.Groups]);
                        _device.Round(linear, searched, squares?[input], Kind);
                        nearest.Add(linear.Name, searched);
                        continue;
                    }

                    float[] weights = linear.ReadWeights();
                    WeightCodes codes = Grids(linear, weights);
                    codes.Round(weights);
                    nearest.Add(linear.Name, codes);
                }
            }

            return nearest;
        }

        private WeightCodes Grids(LinearWeights linear, float[] weights) => _weights.Asymmetric
            ? RoundToNearest.Codes(weights, linear.OutputFeatures, linear.InputFeatures(), _scheme, _scales)
            : FlexQQuantizer.Grids(weights, linear.OutputFeatures, linear.InputFeatures(), _scheme, _scales);

        private CodeFormat Format => _weights.Asymmetric ? _scheme.WeightFormat : new CodeFormat(_scheme.WeightBits, signed: true);

        private GridKind Kind => _weights.Asymmetric ? new(false, _scheme.LargestWeightCode, _scales) : new(true, (1 << (_scheme.WeightBits - 1)) - 1, _scales);
    }

    /// <summary>How weights are quantized.</summary>
    /// <param name="Asymmetric">Grids have zero points.</param>
    /// <param name="Searches">Grids are searched, not min-max.</param>
    /// <param name="Compensates">Rounding errors are compensated as GPTQ does.</param>
    private sealed record FlexQWeights(bool Asymmetric, bool Searches, bool Compensates);
}
