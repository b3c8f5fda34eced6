using System.Runtime.InteropServices;
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
    private readonly Dictionary<BlockInput, SeenSums> _sums = [];
    private readonly Executor? _executor;
    private readonly int _activationGroup;

    private FlattenHessians(ScaledBlock scaled, IReadOnlyDictionary<BlockInput, FlattenPlan> plans, int activationGroup, ICalibrationDevice? device)
    {
        (_scaled, _plans, _activationGroup) = (scaled, plans, activationGroup);
        if (device is not null)
        {
            _executor = device.CreateExecutor();
            foreach ((BlockInput input, FlattenPlan plan) in plans)
            {
                _sums.Add(input, new SeenSums(device, _executor, plan.ActivationParts.Length));
            }
        }
    }

    /// <summary>Values beyond the last digit, over all observed tokens; none where inputs are in groups.</summary>
    public Dictionary<BlockInput, long> Clipped { get; } = BlockInputs.All.ToDictionary(i => i, _ => 0L);

    /// <summary>Observes a float block over a stream.</summary>
    public static FlattenHessians Observe(BlockWeights block, ScaledBlock scaled, IReadOnlyDictionary<BlockInput, FlattenPlan> plans, BlockStream stream, FlattenSettings settings)
    {
        FlattenHessians statistics = new(scaled, plans, settings.ActivationGroup, settings.Gptq ? stream.Device : null);
        stream.Observe(block, (input, values, rows) => statistics.Add(input, scaled.InputFactors.TryGetValue(block.Reading(input)[0].Name, out float[]? factors)
            ? Smoothing.Scale(values, factors, divide: true)
            : values.ToArray(), rows));
        return statistics;
    }

    /// <summary>The layers of an input: GPTQ where Hessians were observed, else rounded to nearest.</summary>
    public IEnumerable<(LinearWeights Linear, FlattenedLinear Layer)> Quantize(IReadOnlyList<LinearWeights> linears, BlockInput input, double damping)
    {
        FlattenPlan plan = _plans[input];
        if (!_sums.TryGetValue(input, out SeenSums? sums))
        {
            foreach ((int matrix, LinearWeights linear) in linears.Index())
            {
                yield return (linear, FlattenedBlock.RoundToNearest(plan, matrix, _scaled.Weights(linear), linear.OutputFeatures));
            }

            yield break;
        }

        double[] diagonal = sums.Hessian.Diagonal();
        GroupLayout layout = new(diagonal.Length);
        using IColumnFactor factor = HessianFactor.Of(linears, diagonal, () => sums.Hessian.Factorise(Gptq.Order(diagonal, activationOrder: true), damping));
        foreach ((int matrix, LinearWeights linear) in linears.Index())
        {
            WeightGrid[] grids = [.. Enumerable.Range(0, layout.Columns).Select(j => FlattenedLinear.Grid(plan, matrix, j))];
            LinearWeights own = new()
            {
                Name = linear.Name,
                Float = new FloatTable(linear.OutputFeatures, layout.Columns, ElementType.Float32, MemoryMarshal.AsBytes(_scaled.Weights(linear).AsSpan()).ToArray()),
            };
            WeightCodes codes = new(linear.OutputFeatures, layout, new CodeFormat(8, signed: true), new WeightGrid[linear.OutputFeatures]);
            factor.Quantize(own, codes, new ColumnCompensation { Columns = grids, Rounding = Rounding.HalfAway, Cross = sums.Cross });
            yield return (linear, new FlattenedLinear(plan, matrix, linear.OutputFeatures, codes.Codes));
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (SeenSums sums in _sums.Values)
        {
            sums.Hessian.Dispose();
            sums.Cross.Dispose();
        }

        _executor?.Dispose();
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

        if (_sums.TryGetValue(input, out SeenSums? sums))
        {
            sums.Add(_executor!, x, seen, rows);
        }
    }

    /// <summary>H and C of an input, where the stream runs.</summary>
    private sealed class SeenSums(ICalibrationDevice device, Executor executor, int columns)
    {
        private readonly DeviceActivation _exact = executor.CreateActivation(columns), _seen = executor.CreateActivation(columns);
        private readonly DeviceInput _input = executor.CreateInput(new InputSpec(columns, null, new GroupLayout(columns)));

        public IGramSums Hessian { get; } = device.CreateGram(columns);

        public ICrossSums Cross { get; } = device.CreateCross(columns, columns);

        public void Add(Executor on, float[] x, float[] seen, int rows)
        {
            on.Begin(new Batch(new int[rows], new int[rows], [.. Enumerable.Range(0, rows)], []));
            on.Write(_exact, x);
            on.Write(_seen, seen);
            on.Prepare(_seen, [_input]);
            Hessian.Add(on, _input, rows);
            Cross.Add(on, _exact, _input, rows);
            on.End();
        }
    }
}
