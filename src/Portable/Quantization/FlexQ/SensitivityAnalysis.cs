using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Algorithms.FlexQ;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlexQ;

/// <summary>How the sensitivity analysis decides.</summary>
/// <param name="Budget">Largest share of the multiply-adds at the high activation width; null = the share of the authors' rule.</param>
/// <param name="Unit">Decide by linear type over all blocks (type), by single linear (layer), or by whichever measures better (best).</param>
/// <param name="HighBits">Activation width of retained layers, 8 in the paper.</param>
internal sealed record SensitivityOptions(double? Budget, string Unit, int HighBits = 8)
{
    /// <summary>Bytes that the hidden states of variants which go through the blocks together may take.</summary>
    public long MostBytes { get; init; } = 1L << 31;
}

/// <summary>
/// Which linears need 8-bit activations: measured, not assumed. With all weights quantized, the reference keeps every
/// activation at the high width; each linear type over all blocks, then each single linear, is set to the low width, and the
/// KL divergence of the next-token distribution from the reference is its gain. The choice of greatest total gain within the
/// budget of multiply-adds is made by type and by single linear; both are measured jointly, and so is the authors' rule where it
/// fits the budget; the best of them is taken.
/// </summary>
/// <remarks>
/// Variants go through the blocks together, each from the first block in which it differs from the reference: a block is on the device once for all of them, and a
/// pass has all the rows that it takes.
/// </remarks>
internal sealed class SensitivityAnalysis : IDisposable
{
    private const string Stage = "sensitivity analysis";

    private readonly QuantizationContext _context;
    private readonly SensitivityOptions _options;
    private readonly VariantModel _model;
    private readonly BlockWeights[] _high;
    private readonly int _lowBits, _together;
    private float[][]? _logits;

    private SensitivityAnalysis(QuantizationContext context, SensitivityOptions options)
    {
        (_context, _options, _lowBits) = (context, options, context.Scheme.ActivationBits);
        _model = new VariantModel(context.Source, Windows(context), context.Scheme.KeyValueBits, context.Device);
        _together = (int)Math.Clamp(options.MostBytes / (sizeof(float) * (long)_model.Tokens * context.Source.Config.HiddenSize), 1, int.MaxValue);
        _high = [.. Enumerable.Range(0, context.Source.Config.Layers).Select(l => QuantizeBlock(context.Source.LoadBlock(l)))];
    }

    /// <summary>Analyses a model and decides.</summary>
    public static SensitivityTable Run(QuantizationContext context, SensitivityOptions options)
    {
        using SensitivityAnalysis analysis = new(context, options);
        return analysis.Decide();
    }

    /// <inheritdoc/>
    public void Dispose() => _model.Dispose();

    private SensitivityTable Decide()
    {
        LinearWeights[] linears = [.. _high.SelectMany(b => b.Linears)];
        string[] types = [.. linears.Select(l => l.TypeName()).Distinct()];
        double total = linears.Sum(MultiplyAdds);
        (string Name, HashSet<string> Low)[] units = [.. types.Select(t => (t, Members(t))), .. linears.Select(l => (l.Name, new HashSet<string> { l.Name }))];
        double[] gains = Divergences([.. units.Select(u => u.Low)]);
        SensitivityRow[] rows = [.. units.Zip(gains, (unit, gain) => Row(unit.Name, linears.Where(l => unit.Low.Contains(l.Name)).Sum(MultiplyAdds), gain))];
        SensitivityRow[] byType = rows[..types.Length], byLayer = rows[types.Length..];
        HashSet<string> Members(string type) => [.. linears.Where(l => l.TypeName() == type).Select(l => l.Name)];
        SensitivityRow Row(string name, long work, double gain) => new(name, work, work / total, gain);
        HashSet<string> rule = [.. _high.SelectMany(b => b.Layout.Slots.Where(AuthorsRule).Select(s => b[s].Name))];
        double ruleShare = linears.Where(l => rule.Contains(l.Name)).Sum(MultiplyAdds) / total;
        double budget = _options.Budget ?? ruleShare;

        List<(string Basis, HashSet<string> Retained)> candidates = [];
        if (_options.Unit is "layer" or "best")
        {
            HashSet<string> chosen = Choose(byLayer, budget);
            candidates.Add(("analysis by layer", chosen));
        }

        if (_options.Unit is "type" or "best")
        {
            HashSet<string> chosen = Choose(byType, budget);
            candidates.Add(("analysis by type", [.. linears.Where(l => chosen.Contains(l.TypeName())).Select(l => l.Name)]));
        }

        if (ruleShare <= budget * (1 + 1e-12) && !candidates.Exists(c => c.Retained.SetEquals(rule)))
        {
            candidates.Add(("authors' rule, which measures better than the analysis", rule));
        }

        double[] joint = candidates.Count == 1 ? [0] : Divergences([.. candidates.Select(c => linears.Select(l => l.Name).Except(c.Retained).ToHashSet())]);
        (string basis, HashSet<string> retained) = candidates[Array.IndexOf(joint, joint.Min())];
        double share = linears.Where(l => retained.Contains(l.Name)).Sum(MultiplyAdds) / total;
        return new SensitivityTable(byType, byLayer, budget, share, basis, [.. linears.Where(l => retained.Contains(l.Name)).Select(l => l.Name)], _model.Tokens);
    }

    private static HashSet<string> Choose(SensitivityRow[] rows, double budget)
    {
        bool[] chosen = BudgetedChoice.Choose([.. rows.Select(r => r.MultiplyAdds)], [.. rows.Select(r => r.Gain)], budget);
        return [.. rows.Where((_, i) => chosen[i]).Select(r => r.Name)];
    }

    /// <summary>Mean divergence per token from the reference of each variant, given the names of its linears with low activations.</summary>
    private double[] Divergences(HashSet<string>[] variants)
    {
        double[] found = new double[variants.Length];
        int done = 0, steps = (variants.Length + _together - 1) / _together * _high.Length;
        foreach ((int, HashSet<string>)[] together in variants.Index().Chunk(_together))
        {
            Measure(together, found, () => _context.Progress(Stage, ++done, steps));
        }

        return found;
    }

    private void Measure((int Index, HashSet<string> Low)[] variants, double[] found, Action blockDone)
    {
        // The reference goes ahead, and a variant is what it was until the first block in which it differs.
        using VariantStack stack = _model.OpenStack();
        List<(int Index, HashSet<string> Low)> under = [];
        for (int batch = 0; batch < _model.Batches; batch++)
        {
            stack.Add(_model.Embedded(batch));
        }

        int windows = stack.Count;
        foreach (BlockWeights high in _high)
        {
            using VariantFamily family = _model.OpenFamily(stack.PerPass);
            VariantBlock reference = family.Load(high);
            void Pass(VariantBlock block, int from, int end) => stack.Pass(block, from * windows, (end - from) * windows, _context.Cancellation);
            bool Differs(HashSet<string> low) => high.Linears.Any(l => low.Contains(l.Name));
            foreach ((int Index, HashSet<string> Low) variant in variants.Except(under).Where(v => Differs(v.Low)).ToArray())
            {
                under.Add(variant);
                foreach (float[] batch in _model.Read(stack, 0))
                {
                    stack.Add(batch);
                }
            }

            // Neighbours that take the reference's block go side by side.
            int waiting = 0;
            for (int place = 1; place <= under.Count; place++)
            {
                HashSet<string> low = under[place - 1].Low;
                if (Differs(low))
                {
                    Pass(reference, waiting, place);
                    Pass(family.Load(high.MapLinears(linear => low.Contains(linear.Name) ? WithBits(linear, _lowBits) : linear)), place, place + 1);
                    waiting = place + 1;
                }
            }

            Pass(reference, waiting, under.Count + 1);
            blockDone();
        }

        _logits ??= _model.Logits(_model.Read(stack, 0));
        foreach ((int place, (int index, _)) in under.Index())
        {
            _context.Cancellation.ThrowIfCancellationRequested();
            found[index] = _model.MeanDivergence(_logits, _model.Read(stack, place + 1));
        }
    }

    private BlockWeights QuantizeBlock(BlockWeights block) => block.MapLinears(linear =>
    {
        float[] weights = linear.ReadWeights();
        WeightCodes codes = FlexQQuantizer.Grids(weights, linear.OutputFeatures, linear.InputFeatures(), _context.Scheme, _context.Scales);
        codes.Round(weights);
        return linear.WithQuantized(codes.ToLinear(linear.Bias, FlexQQuantizer.Input(_options.HighBits, _context.Scheme.GroupSize)), _context.Scheme.Layer);
    });

    private LinearWeights WithBits(LinearWeights linear, int bits)
    {
        QuantizedLinear q = linear.Quantized!;
        return linear with { Quantized = new QuantizedLinear(q.Weights, q.Scales, q.ZeroPoints, q.Bias, FlexQQuantizer.Input(bits, _context.Scheme.GroupSize)) };
    }

    /// <summary>The authors' outcome: 8-bit activations for the K-long linear (down_proj; fc2 in OPT).</summary>
    public static bool AuthorsRule(BlockSlot slot) => slot == BlockSlot.Down;

    private static long MultiplyAdds(LinearWeights linear) => (long)linear.OutputFeatures * linear.Quantized!.Weights.Columns;

    /// <summary>A few windows of at most 256 tokens, spread over the calibration set; fewer where the vocabulary is large, since their logits are kept.</summary>
    private static IReadOnlyList<int[]> Windows(QuantizationContext context)
    {
        const int MostTokens = 256, Most = 8;
        const long KeptLogits = 1L << 25;
        IReadOnlyList<int[]> windows = context.Calibration!.Windows;
        int each = Math.Min(MostTokens, context.Calibration.Context);
        int count = (int)Math.Clamp(KeptLogits / ((long)each * context.Source.Config.VocabularySize), 1, Math.Min(Most, windows.Count));
        return [.. Enumerable.Range(0, count).Select(i => windows[i * windows.Count / count][..each])];
    }
}
