using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Blocks;

namespace Portable.Quantization.Baselines;

/// <summary>
/// Second moments of one input of a block over the calibration tokens: H = Σ x̂·x̂ᵀ of the input as the quantized layers will be
/// given it; and, where the float model's stream is looked at too, C = Σ x·x̂ᵀ with its input x and R = Σ (r − r̂)·x̂ᵀ with what
/// the residual stream lacks. They lie where the stream runs.
/// </summary>
/// <param name="Hessian">H, K×K.</param>
/// <param name="Cross">C, K×K, or null.</param>
/// <param name="Missing">R, hidden size × K, for linears whose output is added to the residual stream; else null.</param>
internal sealed record InputMoments(IGramSums Hessian, ICrossSums? Cross, ICrossSums? Missing) : IDisposable
{
    /// <summary>K.</summary>
    public int Columns => Hessian.Size;

    /// <summary>All inputs of a block on one stream.</summary>
    public static Dictionary<BlockInput, InputMoments> Observe(BlockWeights block, BlockStream stream)
    {
        Dictionary<BlockInput, InputMoments> moments = BlockInputs.All.ToDictionary(i => i, i => Of(block, stream, i));
        stream.Sum(block, moments.ToDictionary(m => m.Key, m => (IInputSums)m.Value.Hessian));
        return moments;
    }

    /// <summary>One input on one stream.</summary>
    public static InputMoments Observe(BlockWeights block, BlockStream stream, BlockInput input)
    {
        InputMoments moments = Of(block, stream, input);
        stream.Sum(block, new Dictionary<BlockInput, IInputSums> { [input] = moments.Hessian }, input);
        return moments;
    }

    /// <summary>One input on the quantized stream beside the float one, which moves on behind what the input is made of.</summary>
    /// <param name="input">The input; all four are to be observed in order.</param>
    /// <param name="block">The block with the linears before the input as quantized so far.</param>
    /// <param name="stream">The quantized stream.</param>
    /// <param name="exact">The float block.</param>
    /// <param name="floats">The float stream.</param>
    public static InputMoments Observe(BlockInput input, BlockWeights block, BlockStream stream, BlockWeights exact, BlockStream floats)
    {
        int columns = block.Layout.Columns(input);
        bool joins = input is BlockInput.Output or BlockInput.Down && !block.Layout.HasNormsAfter;
        InputMoments moments = Of(block, stream, input) with
        {
            Cross = stream.Device.CreateCross(columns, columns),
            Missing = joins ? stream.Device.CreateCross(block.Layout.Hidden, columns) : null,
        };
        stream.ObserveBeside(input, block, floats, exact, new PairSums(moments.Hessian, moments.Cross, moments.Missing));
        return moments;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Hessian.Dispose();
        Cross?.Dispose();
        Missing?.Dispose();
    }

    private static InputMoments Of(BlockWeights block, BlockStream stream, BlockInput input) => new(stream.Device.CreateGram(block.Layout.Columns(input)), null, null);
}
