using Portable.Calibration;
using Portable.Models;
using Portable.Quantization.Baselines;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlattenQuant;

/// <summary>
/// Statistics of a block's inputs as the flattened layers will see them: H = Σ x̂·x̂ᵀ of the quantized inputs on the compact
/// columns, C = Σ x·x̂ᵀ, and how many values the static ranges clip.
/// </summary>
internal sealed class FlattenHessians
{
    private readonly ScaledBlock _scaled;
    private readonly IReadOnlyDictionary<BlockInput, FlattenPlan> _plans;
    private readonly int _activationGroup;
    private readonly Dictionary<BlockInput, GramMatrix> _hessians = [];
    private readonly Dictionary<BlockInput, CrossMatrix> _crosses = [];

    private FlattenHessians(ScaledBlock scaled, IReadOnlyDictionary<BlockInput, FlattenPlan> plans, int activationGroup) => (_scaled, _plans, _activationGroup) = (scaled, plans, activationGroup);

    /// <summary>Values beyond the last digit, over all observed tokens; none where inputs are in groups.</summary>
    public Dictionary<BlockInput, long> Clipped { get; } = BlockInputs.All.ToDictionary(i => i, _ => 0L);

    /// <summary>Observes a float block over a stream.</summary>
    public static FlattenHessians Observe(BlockWeights block, ScaledBlock scaled, IReadOnlyDictionary<BlockInput, FlattenPlan> plans, BlockStream stream, FlattenSettings settings)
    {
        FlattenHessians statistics = new(scaled, plans, settings.ActivationGroup);
        foreach (BlockInput input in BlockInputs.All.Where(_ => settings.Gptq))
        {
            int columns = plans[input].ActivationParts.Length;
            statistics._hessians.Add(input, new GramMatrix(columns));
            statistics._crosses.Add(input, new CrossMatrix(columns));
        }

        stream.Observe(block, (input, values, rows) => statistics.Add(input, scaled.InputFactors.TryGetValue(block.Reading(input)[0].Name, out float[]? factors)
            ? Smoothing.Scale(values, factors, divide: true)
            : values.ToArray(), rows));
        return statistics;
    }

    /// <summary>The layers of an input: GPTQ where Hessians were observed, else rounded to nearest.</summary>
    public IEnumerable<(LinearWeights Linear, FlattenedLinear Layer)> Quantize(IReadOnlyList<LinearWeights> linears, BlockInput input, double damping)
    {
        FlattenPlan plan = _plans[input];
        if (!_hessians.TryGetValue(input, out GramMatrix? hessian))
        {
            foreach ((int matrix, LinearWeights linear) in linears.Index())
            {
                yield return (linear, FlattenedBlock.RoundToNearest(plan, matrix, _scaled.Weights(linear), linear.OutputFeatures));
            }

            yield break;
        }

        int columns = hessian.Size;
        int[] order = Gptq.Order(hessian.Values, columns, activationOrder: true);
        InverseFactor factor = HessianFactor.Of(linears, hessian.Values, columns, order, damping);
        foreach ((int matrix, LinearWeights linear) in linears.Index())
        {
            WeightGrid[] grids = [.. Enumerable.Range(0, columns).Select(j => FlattenedLinear.Grid(plan, matrix, j))];
            float[] target = TargetCorrection.Correct(_scaled.Weights(linear), linear.OutputFeatures, columns, _crosses[input].Values, hessian.Values, factor, order, damping);
            short[] codes = new short[target.Length];
            Gptq.Quantize(target, linear.OutputFeatures, columns, factor, order, (_, j) => grids[j], codes, Rounding.HalfAway);
            yield return (linear, new FlattenedLinear(plan, matrix, linear.OutputFeatures, codes));
        }
    }

    private void Add(BlockInput input, float[] x, int rows)
    {
        float[] seen = new float[x.Length];
        FlattenPlan plan = _plans[input];
        if (_activationGroup > 0)
        {
            SeenInput.RoundGroups(x, plan.ActivationParts.Length, FlattenedLinear.GroupedInput(plan.Bits, _activationGroup), seen);
        }
        else
        {
            Clipped[input] += SeenInput.Round(x, plan, seen);
        }

        if (_hessians.TryGetValue(input, out GramMatrix? hessian))
        {
            hessian.Add(seen, rows);
            _crosses[input].Add(x, seen, rows);
        }
    }
}
