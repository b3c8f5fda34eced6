using System.Numerics.Tensors;
using Portable.Reference.Blocks;

namespace Portable.Reference.Training;

/// <summary>What enters a part of a block: the residual stream, normalised where the layout has a norm there, then quantized.</summary>
/// <param name="layout">The block.</param>
/// <param name="norm">The norm before the part.</param>
/// <param name="tokens">The most tokens T.</param>
/// <param name="levels">The largest code; 0 = not quantized.</param>
/// <param name="group">Columns that share a range; 0 = all.</param>
internal sealed class TrainingInput(BlockLayout layout, BlockNorm norm, int tokens, int levels, int group)
{
    private readonly TrainingNorm? _norm = layout.Norms.Contains(norm) ? new TrainingNorm(tokens, layout.Hidden, layout.NormEpsilon) : null;

    /// <summary>The input, its quantized form, and the gradient that its readers give it.</summary>
    public QuantizedTensor Tensor { get; } = new(tokens, 1, layout.Hidden, levels, group);

    /// <summary>Fills the input from the residual stream.</summary>
    public void Forward(float[] x, BlockTensors parameters, int count)
    {
        if (_norm is null)
        {
            x.AsSpan(0, count * layout.Hidden).CopyTo(Tensor.Values);
        }
        else
        {
            _norm.Forward(x, parameters[norm], Tensor.Values, count);
        }

        Tensor.Quantize(count);
    }

    /// <summary>Takes the readers' gradient back: it is added to <paramref name="dx"/>, null where nobody needs it, and that of the norm overwritten.</summary>
    public void Backward(BlockTensors parameters, float[]? dx, BlockTensors gradients, int count)
    {
        Tensor.Backward(count);
        if (_norm is not null)
        {
            _norm.Backward(Tensor.Gradient, parameters[norm], dx, gradients[norm], count);
        }
        else if (dx is not null)
        {
            Span<float> sum = dx.AsSpan(0, count * layout.Hidden);
            TensorPrimitives.Add(sum, Tensor.Gradient.AsSpan(0, sum.Length), sum);
        }
    }
}
