using Portable.Models;
using Portable.Quantization.Baselines;
using Portable.Quantization.FlexQ;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlattenQuant;

/// <summary>
/// What each fused group costs the model at 4 bits: the KL divergence of the next-token distribution when that group alone is
/// flattened and rounded to nearest, everything else float. Unlike a histogram of the group's own outputs it weighs an error
/// by what the rest of the model makes of it.
/// </summary>
internal static class ModelDivergences
{
    private const int TokensPerWindow = 256;

    public static double[] Measure(QuantizationContext context, FlattenSettings settings, IReadOnlyList<FlattenFinding> findings)
    {
        IReadOnlyList<int[]> windows = [.. context.Calibration!.ReportWindows.Select(w => w[..Math.Min(TokensPerWindow, w.Length)])];
        ModelConfig config = context.Source.Config;
        using VariantModel model = new(context.Source, windows, 32, context.Device);
        float[][] hidden = [.. Enumerable.Range(0, model.Batches).Select(model.Embedded)];
        using VariantStack variants = model.OpenStack();
        List<int> order = [];
        using BlockReader reader = new(context.Source, ahead: context.Device is not null);

        // One block at a time goes through the device, and every variant of an earlier one passes it: no device holds the model.
        for (int l = 0; l < config.Layers; l++)
        {
            BlockWeights block = reader.Load(l);
            VariantsOfBlock own = new(block, settings, [.. findings.Where(f => f.Block == l)]);
            using VariantFamily family = model.OpenFamily(variants.PerPass);
            VariantBlock[] exact = [family.Load(block)];
            variants.Pass(exact[0], context.Cancellation);
            foreach ((int i, FlattenFinding finding) in findings.Index().Where(f => f.Item.Block == l))
            {
                float[][] x = new float[model.Batches][];
                model.Pass(new[] { family.Load(own.Of(finding)) }, hidden, x, context.Cancellation);
                order.Add(i);
                foreach (float[] batch in x)
                {
                    variants.Add(batch);
                }
            }

            model.Pass(exact, hidden, hidden, context.Cancellation);
            context.Progress("divergences of the model", l + 1, config.Layers);
        }

        float[][] logits = model.Logits(hidden);
        double[] divergences = new double[findings.Count];
        foreach ((int variant, int i) in order.Index())
        {
            divergences[i] = model.MeanDivergence(logits, model.Read(variants, variant));
        }

        return divergences;
    }

    /// <summary>A block with one group at 4 bits; the others carry the same smoothing in single precision.</summary>
    private sealed class VariantsOfBlock
    {
        private readonly BlockWeights _block;
        private readonly FlattenSettings _settings;
        private readonly Dictionary<BlockInput, FlattenFinding> _findings;
        private readonly ScaledBlock _high;
        private readonly Dictionary<string, FloatTable> _tables;

        public VariantsOfBlock(BlockWeights block, FlattenSettings settings, IReadOnlyList<FlattenFinding> findings)
        {
            (_block, _settings) = (block, settings);
            _findings = findings.ToDictionary(f => f.Input);
            _high = settings.Scale(block, _findings, _ => false);
            _tables = block.Linears.ToDictionary(l => l.Name, l => new FloatTable(l.OutputFeatures, l.InputFeatures(), ElementType.Float32, new FloatBytes(_high.Weights(l)).Memory));
        }

        public BlockWeights Of(FlattenFinding low)
        {
            // The factors of one norm change what reads its output, and nothing else.
            ScaledBlock scaled = _high.HasNorm(low.Input) ? _settings.Scale(_block, _findings, input => input == low.Input) : _high;
            FlattenPlan plan = low.Low!.Plan;
            Dictionary<string, LinearWeights> replaced = [];
            foreach (BlockInput input in BlockInputs.All)
            {
                foreach ((int matrix, LinearWeights linear) in _block.Reading(input).Index())
                {
                    replaced.Add(linear.Name, input == low.Input
                        ? linear.WithQuantized(FlattenedBlock.RoundToNearest(plan, matrix, scaled.Weights(linear), linear.OutputFeatures).Pack(scaled.Bias(linear), _settings.ActivationGroup), _settings.Scheme(4))
                        : linear with { Float = _tables[linear.Name], Bias = scaled.Bias(linear) });
                }
            }

            return _block.MapLinears(l => replaced[l.Name]).MapNorms((norm, _) => scaled.Norm(norm));
        }
    }
}
