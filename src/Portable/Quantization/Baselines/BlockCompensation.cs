using System.Runtime.InteropServices;
using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Quantization.Baselines;

/// <summary>
/// Compensated rounding of block after block: input after input in the order of the forward pass, the linears that share one
/// together. With all parts on, each layer is fitted to the float model's outputs on the inputs that it will really be given.
/// </summary>
/// <param name="context">The run.</param>
/// <param name="options">The parts in force.</param>
/// <param name="grids">Empty codes of a linear's weights on min-max grids.</param>
/// <param name="search">Finds a grid of the same kind.</param>
internal sealed class BlockCompensation(QuantizationContext context, CompensationOptions options, Func<LinearWeights, float[], WeightCodes> grids, GridFinder search) : IDisposable
{
    // A correction is learned from the calibration text, and less of it holds on other texts the fewer tokens there were for each column.
    private const double ColumnDoubt = 40;

    private BlockStream? _floats;
    private int _next;

    /// <summary>What of it runs on the CPU, on any device; or null.</summary>
    public string? CpuPart => options.IsPublished ? null : CompensationOptions.BeyondPublished;

    /// <summary>Quantizes the linears of a block.</summary>
    /// <param name="index">Index of the block.</param>
    /// <param name="block">Its float weights.</param>
    /// <param name="stream">What the already quantized blocks give; stays where it is.</param>
    public Dictionary<string, WeightCodes> Quantize(int index, BlockWeights block, BlockStream stream)
    {
        if (options.IsPublished)
        {
            return Published(block, stream);
        }

        if (options is not { Target: 0, Missing: 0 })
        {
            Follow(index);
        }

        BlockWeights partial = block;
        Dictionary<BlockInput, InputMoments>? all = _floats is null && !options.Sequential ? InputMoments.Observe(block, stream) : null;
        Dictionary<string, WeightCodes> quantized = [];
        foreach (BlockInput input in BlockInputs.All)
        {
            InputMoments moments = all?[input]
                ?? (_floats is null ? InputMoments.Observe(partial, stream, input) : InputMoments.Observe(input, partial, stream, block, _floats));
            foreach ((LinearWeights linear, WeightCodes codes) in Quantize(block.Reading(input), moments))
            {
                quantized.Add(linear.Name, codes);
                if (options.Sequential)
                {
                    FloatTable decoded = new(codes.Rows, moments.Columns, ElementType.Float32, MemoryMarshal.AsBytes(codes.Decode().AsSpan()).ToArray());
                    partial = partial.MapLinears(l => l.Name == linear.Name ? l with { Float = decoded } : l);
                }
            }
        }

        return quantized;
    }

    /// <summary>GPTQ as published, which computes where the stream runs.</summary>
    private Dictionary<string, WeightCodes> Published(BlockWeights block, BlockStream stream)
    {
        using BlockHessians hessians = BlockHessians.Observe(block, stream);
        Dictionary<string, WeightCodes> quantized = [];
        foreach (BlockInput input in BlockInputs.All)
        {
            foreach ((LinearWeights linear, float[] weights, IColumnFactor factor) in hessians.Factorise(block, input, new GptqOptions(options.ActivationOrder, options.Damping)))
            {
                WeightCodes codes = grids(linear, weights);
                factor.Quantize(weights, codes.Rows, codes.Grid, codes.Codes, Rounding.HalfEven);
                quantized.Add(linear.Name, codes);
            }
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
        int columns = moments.Columns;
        double[] hessian = moments.Hessian;
        int[]? order = null;
        InverseFactor? factor = null;
        foreach (LinearWeights linear in linears)
        {
            float[] weights = linear.ReadWeights();
            WeightCodes codes = grids(linear, weights);
            order ??= options is { Searches: true, ActivationOrder: true } ? GroupedGptq.Order(hessian, codes.Layout) : Gptq.Order(hessian, columns, options.ActivationOrder);
            factor ??= HessianFactor.Of(linears, hessian, columns, order, options.Damping);
            float[] target = Target(weights, codes.Rows, moments, factor, order);
            if (options.Searches)
            {
                GroupedGptq.Quantize(target, factor, order, codes, search);
            }
            else
            {
                Gptq.Quantize(target, codes.Rows, columns, factor, order, codes.Grid, codes.Codes);
            }

            if (options.Descent > 0)
            {
                CodeDescent.Improve(target, hessian, options.Damping, codes, options.Descent, context.Scales);
            }

            yield return (linear, codes);
        }
    }

    /// <summary>What is to be quantized: the weights, or those that come closest to the float model's outputs.</summary>
    private float[] Target(float[] weights, int rows, InputMoments moments, InverseFactor factor, int[] order)
    {
        if (moments.Cross is not { } cross)
        {
            return weights;
        }

        double tokens = context.Calibration!.Windows.Sum(w => (double)w.Length), trust = tokens / (tokens + ColumnDoubt * moments.Columns);
        double part = options.Target ?? trust, share = options.Missing ?? trust;
        double[] hessian = moments.Hessian, aim = part == 1 ? cross : new double[cross.Length];
        for (int i = 0; i < aim.Length && part != 1; i++)
        {
            aim[i] = hessian[i] + part * (cross[i] - hessian[i]);
        }

        double[]? missing = share > 0 && moments.Missing is { } r ? Array.ConvertAll(r, v => v * share) : null;
        return TargetCorrection.Correct(weights, rows, moments.Columns, aim, hessian, factor, order, options.Damping, missing);
    }
}
