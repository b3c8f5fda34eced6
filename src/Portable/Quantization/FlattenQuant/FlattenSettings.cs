using Portable.Models;
using Portable.Quantization.Baselines;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlattenQuant;

/// <summary>The options of FlattenQuant, read and checked.</summary>
internal sealed record FlattenSettings
{
    public static readonly MethodOption AlphaOption = new("alpha", "0.5", "smoothing strength 0 … 1 before flattening");
    public static readonly MethodOption BetaOption = new("beta", "1.5", "width of the box-plot fence in interquartile ranges; smaller flattens more");
    public static readonly MethodOption SidesOption = new("flatten-weights", "on", "flatten weight channels too: on, off");
    public static readonly MethodOption ExpansionOption = new("max-expansion", "1.25", "largest K'/K of a layer, at least 1");
    public static readonly MethodOption RangesOption = new("ranges", "search", "thresholds, parts and smoothing factors by: search (least expected output error within max-expansion), boxplot (alpha and beta)");
    public static readonly MethodOption WeightLossOption = new("weight-loss", "0.5", "ranges search: share of the weights' rounding error that is left after GPTQ");
    public static readonly MethodOption FoldOption = new("fold", "auto", "smooth the inputs of o and down too, into v and up (fc1): on, off, auto (where it loses less)");
    public static readonly MethodOption DecisionOption = new("decision", "budget", "INT4 by: budget (share of multiply-adds), limit (KL), ratio (KL4 / KL8)");
    public static readonly MethodOption DivergenceOption = new("kl", "model", "the KL that decides by budget: model (next-token distribution, this group alone at INT4), outputs (histogram of the group's outputs)");
    public static readonly MethodOption BudgetOption = new("int4-budget", "0.4829", "decision budget: largest share of multiply-adds at INT4");
    public static readonly MethodOption LimitOption = new("kl-limit", "0.02", "decision limit: INT4 where the KL of the outputs is at most this");
    public static readonly MethodOption RatioOption = new("kl-ratio", "1.86", "decision ratio: INT4 where KL at INT4 is at most this times KL at INT8");
    public static readonly MethodOption GptqOption = new("gptq", "on", "GPTQ on the compact grid: on, off (round to nearest)");
    public static readonly MethodOption DampingOption = new("damping", "0.01", "part of the Hessian's mean diagonal added to its diagonal");

    public static IReadOnlyList<MethodOption> All { get; } =
        [RangesOption, WeightLossOption, AlphaOption, BetaOption, SidesOption, ExpansionOption, FoldOption, DecisionOption, DivergenceOption, BudgetOption, LimitOption, RatioOption, GptqOption, DampingOption];

    /// <summary>Whether ranges come from the search, not from α and β.</summary>
    public required bool Search { get; init; }

    /// <summary>Share of the weights' rounding error that the search counts where GPTQ runs.</summary>
    public required double WeightLoss { get; init; }

    public required double Alpha { get; init; }

    public required FlattenOptions Flatten { get; init; }

    public required string FoldWhere { get; init; }

    public required string Decision { get; init; }

    public required double Budget { get; init; }

    /// <summary>Whether the budget goes by the divergence of the model's next-token distribution.</summary>
    public required bool UsesModelDivergence { get; init; }

    public required double Limit { get; init; }

    public required double Ratio { get; init; }

    public required bool Gptq { get; init; }

    public required double Damping { get; init; }

    /// <summary>W4A4: a mix of 4 and 8 bits; W8A8: all 8.</summary>
    public required bool Mixed { get; init; }

    /// <summary>Channels that share a scale of a token (the scheme's a part); 0 = static scales of whole tensors, the method as published.</summary>
    public required int ActivationGroup { get; init; }

    /// <summary>The scheme of a layer at a width.</summary>
    public QuantizationScheme Scheme(int bits) => new(bits, bits, activationGroupSize: ActivationGroup);

    /// <exception cref="MethodUsageException">An option is out of range, or the scheme is none of the method's.</exception>
    public static FlattenSettings Read(MethodOptions options, QuantizationScheme scheme)
    {
        QuantizationScheme layer = scheme.Layer;
        if (layer is not ({ WeightBits: 4, ActivationBits: 4, GroupSize: 0 } or { WeightBits: 8, ActivationBits: 8, GroupSize: 0 }))
        {
            throw new MethodUsageException($"FlattenQuant serves W4A4 (a mix of INT4 and INT8 layers) and W8A8 (all INT8), either with groups of activations (W8A8a128) and none of weights, not {layer}.");
        }

        bool mixed = layer.WeightBits == 4;
        return new FlattenSettings
        {
            Search = options.Choice(RangesOption, "search", "boxplot") == "search",
            WeightLoss = options.Number(WeightLossOption, 0, 1),
            Alpha = options.Number(AlphaOption, 0, 1),
            Flatten = new FlattenOptions(options.Number(BetaOption, 0, 100), options.Switch(SidesOption), options.Number(ExpansionOption, 1, 16)),
            FoldWhere = options.Choice(FoldOption, "on", "off", "auto"),
            Decision = options.Choice(DecisionOption, "budget", "limit", "ratio"),
            UsesModelDivergence = options.Choice(DivergenceOption, "model", "outputs") == "model" && options.Text(DecisionOption) == "budget" && mixed,
            Budget = options.Number(BudgetOption, 0, 1),
            Limit = options.Number(LimitOption, 0, 1000),
            Ratio = options.Number(RatioOption, 0, 1e9),
            Gptq = options.Switch(GptqOption),
            Damping = options.Number(DampingOption, 1e-6, 1),
            Mixed = mixed,
            ActivationGroup = layer.ActivationGroupSize,
        };
    }

    /// <summary>Smooths the inputs of o and down where they are folded; their maxima become the smoothed ones.</summary>
    /// <remarks>Before the norms' outputs are smoothed: the rows of up and v change, and with them the column maxima that count there.</remarks>
    public void Fold(ScaledBlock scaled, IReadOnlyDictionary<BlockInput, float[]> maxima, Func<BlockInput, bool> folded)
    {
        foreach (BlockInput input in (BlockInput[])[BlockInput.Down, BlockInput.Output])
        {
            if (folded(input))
            {
                scaled.Smooth(input, maxima[input], Alpha, equalLinears: true);
            }
        }
    }

    /// <summary>A block as decided: o and down folded, the outputs of norms before its parts divided by the factors of the widths taken.</summary>
    public ScaledBlock Scale(BlockWeights block, IReadOnlyDictionary<BlockInput, FlattenFinding> findings, Func<BlockInput, bool> low)
    {
        ScaledBlock scaled = new(block);
        Fold(scaled, findings.ToDictionary(f => f.Key, f => (float[])f.Value.Maxima.Clone()), input => findings[input].Folded);
        foreach (BlockInput input in BlockInputs.All.Where(scaled.HasNorm))
        {
            scaled.Divide(input, findings[input].Ranges(low(input)).Factors!);
        }

        return scaled;
    }
}
