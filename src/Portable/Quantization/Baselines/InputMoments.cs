using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Blocks;

namespace Portable.Quantization.Baselines;

/// <summary>
/// Second moments of one input of a block over the calibration tokens: H = Σ x̂·x̂ᵀ of the input as the quantized layers will be
/// given it; and, where the float model's stream is looked at too, C = Σ x·x̂ᵀ with its input x and R = Σ (r − r̂)·x̂ᵀ with what
/// the residual stream lacks.
/// </summary>
internal sealed class InputMoments
{
    private readonly GramMatrix _hessian;

    private InputMoments(int columns) => _hessian = new GramMatrix(columns);

    /// <summary>K.</summary>
    public int Columns => _hessian.Size;

    /// <summary>H, K×K.</summary>
    public double[] Hessian => _hessian.Values;

    /// <summary>C, K×K, or null.</summary>
    public double[]? Cross { get; private init; }

    /// <summary>R, hidden size × K, for linears whose output is added to the residual stream; else null.</summary>
    public double[]? Missing { get; private init; }

    /// <summary>All inputs of a block on one stream.</summary>
    public static Dictionary<BlockInput, InputMoments> Observe(BlockWeights block, BlockStream stream)
    {
        Dictionary<BlockInput, InputMoments> moments = BlockInputs.All.ToDictionary(i => i, i => new InputMoments(block.Layout.Columns(i)));
        stream.Observe(block, (input, values, rows) => moments[input]._hessian.Add(values, rows));
        return moments;
    }

    /// <summary>One input on one stream.</summary>
    public static InputMoments Observe(BlockWeights block, BlockStream stream, BlockInput input)
    {
        InputMoments moments = new(block.Layout.Columns(input));
        stream.Observe(
            block,
            (at, values, rows) =>
            {
                if (at == input)
                {
                    moments._hessian.Add(values, rows);
                }
            },
            input);
        return moments;
    }

    /// <summary>One input on the quantized stream beside the float one.</summary>
    /// <param name="input">The input.</param>
    /// <param name="block">The block with the linears before the input as quantized so far.</param>
    /// <param name="stream">The quantized stream.</param>
    /// <param name="exact">The float block.</param>
    /// <param name="floats">The float stream.</param>
    public static InputMoments Observe(BlockInput input, BlockWeights block, BlockStream stream, BlockWeights exact, BlockStream floats)
    {
        int columns = block.Layout.Columns(input), hidden = block.Layout.Hidden;
        bool joins = input is BlockInput.Output or BlockInput.Down && !block.Layout.HasNormsAfter;
        CrossMatrix cross = new(columns);
        CrossMatrix? missing = joins ? new CrossMatrix(hidden, columns) : null;
        InputMoments moments = new(columns) { Cross = cross.Values, Missing = missing?.Values };
        stream.ObserveBeside(input, block, floats, exact, (x, seen, rows) =>
        {
            moments._hessian.Add(seen.Input, rows);
            cross.Add(x.Input, seen.Input, rows);
            if (missing is not null)
            {
                float[] lacking = new float[x.Residual.Length];
                System.Numerics.Tensors.TensorPrimitives.Subtract(x.Residual, seen.Residual, lacking);
                missing.Add(lacking, seen.Input, rows);
            }
        });
        return moments;
    }
}
