using System.Runtime.InteropServices;
using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Quantization.Baselines;

/// <summary>
/// Compensated rounding of block after block: input after input in the order of the forward pass, the linears that share one
/// together. With all parts on, each layer is fitted to the float model's outputs on the inputs that it will really be given.
/// </summary>
/// <param name="context">The run.</param>
/// <param name="options">The parts in force.</param>
/// <param name="format">Format of the codes.</param>
/// <param name="grids">Min-max grids of a linear's weights.</param>
/// <param name="search">Which grids are searched.</param>
internal sealed class BlockCompensation(QuantizationContext context, CompensationOptions options, CodeFormat format, Func<LinearWeights, float[], WeightCodes> grids, GridKind search) : IDisposable
{
    // A correction is learned from the calibration text, and less of it holds on other texts the fewer tokens there were for each column.
    private const double ColumnDoubt = 40;

    private BlockStream? _floats;
    private int _next;

    /// <summary>Quantizes the linears of a block.</summary>
    /// <param name="index">Index of the block.</param>
    /// <param name="block">Its float weights.</param>
    /// <param name="stream">What the already quantized blocks give; stays where it is.</param>
    public Dictionary<string, WeightCodes> Quantize(int index, BlockWeights block, BlockStream stream)
    {
        if (options is not { Target: 0, Missing: 0 })
        {
            Follow(index);
        }

        BlockWeights partial = block;
        Dictionary<BlockInput, InputMoments>? all = _floats is null && !options.Sequential ? InputMoments.Observe(block, stream) : null;
        Dictionary<string, WeightCodes> quantized = [];
        foreach (BlockInput input in BlockInputs.All)
        {
            context.Step($"inputs of {string.Join(", ", block.Reading(input).Select(l => l.Name))}");
            using InputMoments moments = all?[input]
                ?? (_floats is null ? InputMoments.Observe(partial, stream, input) : InputMoments.Observe(input, partial, stream, block, _floats));
            foreach ((LinearWeights linear, WeightCodes codes) in Quantize(block.Reading(input), moments))
            {
                quantized.Add(linear.Name, codes);
                if (options.Sequential && input != BlockInput.Down)
                {
                    float[] values = GC.AllocateUninitializedArray<float>(codes.Codes.Length);
                    codes.Decode(values);
                    FloatTable decoded = new(codes.Rows, moments.Columns, ElementType.Float32, new FloatBytes(values).Memory);
                    partial = partial.MapLinears(l => l.Name == linear.Name ? l with { Float = decoded } : l);
                }
            }
        }

        if (_floats is not null)
        {
            _next = index + 1;
        }

        return quantized;
    }

    /// <inheritdoc/>
    public void Dispose() => _floats?.Dispose();

    /// <summary>Moves the float stream in front of a block; blocks that this run has not seen (a resumed run) are passed through.</summary>
    private void Follow(int index)
    {
        _floats ??= context.OpenStream(context.Calibration!.Windows, 32);
        for (; _next < index; _next++)
        {
            _floats.Advance(context.Source.LoadBlock(_next));
        }
    }

    private IEnumerable<(LinearWeights Linear, WeightCodes Codes)> Quantize(IReadOnlyList<LinearWeights> linears, InputMoments moments)
    {
        double tokens = context.Calibration!.Windows.Sum(w => (double)w.Length), trust = tokens / (tokens + ColumnDoubt * moments.Columns);
        ColumnCompensation part = new()
        {
            Search = options.Searches ? search : null,
            Cross = moments.Cross,
            Target = options.Target ?? trust,
            Missing = moments.Missing,
            Share = options.Missing ?? trust,
            Descent = options.Descent,
            Scales = context.Scales,
        };
        GroupLayout layout = new(moments.Columns, context.Scheme.GroupSize);
        double[] diagonal = moments.Hessian.Diagonal();
        int[] order = options is { Searches: true, ActivationOrder: true } ? GroupedGptq.Order(diagonal, layout) : Gptq.Order(diagonal, options.ActivationOrder);
        context.Step($"factor of {moments.Columns} columns");
        using IColumnFactor factor = HessianFactor.Of(linears, diagonal, () => moments.Hessian.Factorise(order, options.Damping));
        foreach (LinearWeights linear in linears)
        {
            context.Step($"columns of {linear.Name}");
            WeightCodes codes = options.Searches ? new(linear.OutputFeatures, layout, format, new WeightGrid[linear.OutputFeatures * layout.Groups]) : grids(linear, linear.ReadWeights());
            factor.Quantize(linear, codes, part);
            yield return (linear, codes);
        }
    }
}
