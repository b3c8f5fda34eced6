using Portable.Calibration;
using Portable.Execution;
using Portable.Models;
using Portable.Quantization.Baselines;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlattenQuant;

/// <summary>
/// Statistics of a block's inputs as the flattened layers will see them: H = Σ x̂·x̂ᵀ of the quantized inputs on the compact
/// columns, C = Σ x·x̂ᵀ, and how many values the static ranges clip.
/// </summary>
internal sealed class FlattenHessians : IDisposable
{
    private readonly ScaledBlock _scaled;
    private readonly IReadOnlyDictionary<BlockInput, FlattenPlan> _plans;
    private readonly Dictionary<BlockInput, SeenInputs> _seen;

    private FlattenHessians(ScaledBlock scaled, IReadOnlyDictionary<BlockInput, FlattenPlan> plans, Dictionary<BlockInput, SeenInputs> seen) =>
        (_scaled, _plans, _seen) = (scaled, plans, seen);

    /// <summary>Observes a float block over a stream.</summary>
    public static FlattenHessians Observe(BlockWeights block, ScaledBlock scaled, IReadOnlyDictionary<BlockInput, FlattenPlan> plans, BlockStream stream, FlattenSettings settings)
    {
        float[]? Factors(BlockInput input) => scaled.InputFactors.GetValueOrDefault(block.Reading(input)[0].Name);
        FlattenHessians statistics = new(scaled, plans, plans.ToDictionary(p => p.Key, p => new SeenInputs(stream.Device, p.Value, Factors(p.Key), settings)));
        if (settings.ActivationGroup > 0)
        {
            stream.Observe(block, (input, values, rows) => statistics._seen[input].AddGroups(values, rows));
        }
        else
        {
            stream.Observe(block, (_, input, values, rows) => statistics._seen[input].Add(values, rows));
        }

        return statistics;
    }

    /// <summary>Values of an input beyond the last digit, over all observed tokens; none where inputs are in groups.</summary>
    public long Clipped(BlockInput input) => _seen[input].ReadClipped();

    /// <summary>The layers of an input: GPTQ where Hessians were observed, else rounded to nearest.</summary>
    public IEnumerable<(LinearWeights Linear, FlattenedLinear Layer)> Quantize(IReadOnlyList<LinearWeights> linears, BlockInput input, double damping)
    {
        FlattenPlan plan = _plans[input];
        if (_seen[input].Sums is not var (hessian, cross))
        {
            foreach ((int matrix, LinearWeights linear) in linears.Index())
            {
                yield return (linear, FlattenedBlock.RoundToNearest(plan, matrix, _scaled.Weights(linear), linear.OutputFeatures));
            }

            yield break;
        }

        double[] diagonal = hessian.Diagonal();
        GroupLayout layout = new(diagonal.Length);
        using IColumnFactor factor = HessianFactor.Of(linears, diagonal, () => hessian.Factorise(Gptq.Order(diagonal, activationOrder: true), damping));
        foreach ((int matrix, LinearWeights linear) in linears.Index())
        {
            WeightGrid[] grids = [.. Enumerable.Range(0, layout.Columns).Select(j => FlattenedLinear.Grid(plan, matrix, j))];
            LinearWeights own = new()
            {
                Name = linear.Name,
                Float = new FloatTable(linear.OutputFeatures, layout.Columns, ElementType.Float32, new FloatBytes(_scaled.Weights(linear)).Memory),
            };
            WeightCodes codes = new(linear.OutputFeatures, layout, new CodeFormat(8, signed: true), new WeightGrid[linear.OutputFeatures]);
            factor.Quantize(own, codes, new ColumnCompensation { Columns = grids, Rounding = Rounding.HalfAway, Cross = cross });
            yield return (linear, new FlattenedLinear(plan, matrix, linear.OutputFeatures, codes.Codes));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SeenInputs seen in _seen.Values)
        {
            seen.Dispose();
        }
    }
}
