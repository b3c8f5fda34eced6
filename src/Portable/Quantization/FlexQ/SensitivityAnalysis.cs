using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Algorithms.FlexQ;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlexQ;

/// <summary>How the sensitivity analysis decides.</summary>
/// <param name="Budget">Largest share of the multiply-adds at the high activation width; null = the share of the authors' rule.</param>
/// <param name="Unit">Decide by linear type over all blocks (type), by single linear (layer), or by whichever measures better (best).</param>
/// <param name="HighBits">Activation width of retained layers, 8 in the paper.</param>
internal sealed record SensitivityOptions(double? Budget, string Unit, int HighBits = 8)
{
    /// <summary>Whether all quantized blocks stay on the device; null: if it has room for them.</summary>
    public bool? Resident { get; init; }
}

/// <summary>
/// Which linears need 8-bit activations: measured, not assumed. With all weights quantized, the reference keeps every
/// activation at the high width; each linear type over all blocks, then each single linear, is set to the low width, and the
/// KL divergence of the next-token distribution from the reference is its gain. The choice of greatest total gain within the
/// budget of multiply-adds is made by type and by single linear; both are measured jointly, and so is the authors' rule where it
/// fits the budget; the best of them is taken.
/// </summary>
internal sealed class SensitivityAnalysis : IDisposable
{
    private readonly QuantizationContext _context;
    private readonly SensitivityOptions _options;
    private readonly VariantModel _model;
    private readonly BlockWeights[] _high;
    private readonly VariantBlock[]? _reference;
    private readonly float[][][] _hidden;
    private readonly float[][] _logits;
    private readonly int _lowBits;

    private SensitivityAnalysis(QuantizationContext context, SensitivityOptions options)
    {
        (_context, _options, _lowBits) = (context, options, context.Scheme.ActivationBits);
        _model = new VariantModel(context.Source, Windows(context), context.Scheme.KeyValueBits, context.Device);
        int layers = context.Source.Config.Layers;
        _high = new BlockWeights[layers];
        _hidden = new float[layers][][];
        for (int l = 0; l < layers; l++)
        {
            _high[l] = QuantizeBlock(context.Source.LoadBlock(l));
            if (l == 0)
            {
                _reference = options.Resident ?? Fits(_high[l], layers, context.Device) ? new VariantBlock[layers] : null;
            }

            if (_reference is not null)
            {
                _reference[l] = _model.Load(_high[l]);
            }
        }

        float[][] x = [.. Enumerable.Range(0, _model.Batches).Select(_model.Embedded)];
        for (int l = 0; l < layers; l++)
        {
            _hidden[l] = [.. x];
            Pass(x, l, l + 1);
        }

        _logits = _model.Logits(x);
    }

    // Beside the blocks a device holds tables, a batch's activations and what the variants are made of.
    private static bool Fits(BlockWeights block, int layers, ICalibrationDevice? device)
    {
        const int Share = 2;
        long bytes = block.Linears.Sum(l => l.Quantized is { } q ? ((long)q.Weights.Rows * q.Weights.RowWords * sizeof(ulong)) + (q.Scales.Count * (long)sizeof(float)) : 0);
        return device is null || bytes * layers <= device.FreeBytes / Share;
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
        int done = 0, steps = types.Length + linears.Length + 3;
        SensitivityRow Row(string name, IReadOnlyList<LinearWeights> members)
        {
            HashSet<string> low = [.. members.Select(l => l.Name)];
            long work = members.Sum(MultiplyAdds);
            SensitivityRow row = new(name, work, work / total, Divergence(l => low.Contains(l.Name)));
            _context.Progress("sensitivity analysis", ++done, steps);
            return row;
        }

        SensitivityRow[] byType = [.. types.Select(t => Row(t, [.. linears.Where(l => l.TypeName() == t)]))];
        SensitivityRow[] byLayer = [.. linears.Select(l => Row(l.Name, [l]))];
        HashSet<string> rule = [.. linears.Where(l => AuthorsRule(l.TypeName())).Select(l => l.Name)];
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

        (string basis, HashSet<string> retained) = candidates.Count == 1
            ? candidates[0]
            : candidates.MinBy(c =>
            {
                _context.Progress("sensitivity analysis", Math.Min(++done, steps), steps);
                return Divergence(l => !c.Retained.Contains(l.Name));
            });
        _context.Progress("sensitivity analysis", steps, steps);
        double share = linears.Where(l => retained.Contains(l.Name)).Sum(MultiplyAdds) / total;
        return new SensitivityTable(byType, byLayer, budget, share, basis, [.. linears.Where(l => retained.Contains(l.Name)).Select(l => l.Name)], _model.Tokens);
    }

    private static HashSet<string> Choose(SensitivityRow[] rows, double budget)
    {
        bool[] chosen = BudgetedChoice.Choose([.. rows.Select(r => r.MultiplyAdds)], [.. rows.Select(r => r.Gain)], budget);
        return [.. rows.Where((_, i) => chosen[i]).Select(r => r.Name)];
    }

    /// <summary>Mean divergence per token from the reference when some linears have low activations.</summary>
    private double Divergence(Func<LinearWeights, bool> low)
    {
        int first = Array.FindIndex(_high, b => b.Linears.Any(low));
        if (first < 0)
        {
            return 0;
        }

        float[][] x = [.. _hidden[first]];
        for (int l = first; l < _high.Length;)
        {
            int next = l + 1;
            if (_high[l].Linears.Any(low))
            {
                BlockWeights variant = _high[l].MapLinears(linear => low(linear) ? WithBits(linear, _lowBits) : linear);
                if (_reference is null)
                {
                    PassAlone(x, variant);
                }
                else
                {
                    _model.Pass(new[] { _model.LoadVariant(variant, _reference[l]) }, x, x, _context.Cancellation);
                }
            }
            else
            {
                while (next < _high.Length && !_high[next].Linears.Any(low))
                {
                    next++;
                }

                Pass(x, l, next);
            }

            l = next;
        }

        return _model.MeanDivergence(_logits, x);
    }

    // All batches through blocks of the reference.
    private void Pass(float[][] x, int first, int end)
    {
        if (_reference is not null)
        {
            _model.Pass(_reference.AsMemory(first..end), x, x, _context.Cancellation);
            return;
        }

        for (int l = first; l < end; l++)
        {
            PassAlone(x, _high[l]);
        }
    }

    // All batches through a block that is on the device for as long as that takes.
    private void PassAlone(float[][] x, BlockWeights block)
    {
        using VariantFamily alone = _model.OpenFamily();
        _model.Pass(new[] { alone.Load(block) }, x, x, _context.Cancellation);
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
    public static bool AuthorsRule(string type) => type is "down_proj" or "fc2";

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
