using System.Numerics.Tensors;
using Portable.Reference.Blocks;

namespace Portable.Reference.Training;

/// <summary>How a part of a block joins the residual stream: y = x + part, or x + norm(part) where the layout has a norm behind it.</summary>
/// <param name="layout">The block.</param>
/// <param name="norm">The norm behind the part.</param>
/// <param name="tokens">The most tokens T.</param>
internal sealed class TrainingOutput(BlockLayout layout, BlockNorm norm, int tokens)
{
    private readonly TrainingNorm? _norm = layout.Norms.Contains(norm) ? new TrainingNorm(tokens, layout.Hidden, layout.NormEpsilon) : null;
    private readonly float[] _gradient = new float[layout.Norms.Contains(norm) ? tokens * layout.Hidden : 0];

    /// <summary>Turns <paramref name="part"/> into y.</summary>
    public void Forward(float[] part, float[] x, BlockTensors parameters, int count)
    {
        _norm?.Forward(part, parameters[norm], part, count);
        Span<float> y = part.AsSpan(0, count * layout.Hidden);
        TensorPrimitives.Add(y, x.AsSpan(0, y.Length), y);
    }

    /// <summary>∂/∂part; that of the norm is overwritten.</summary>
    public float[] Backward(float[] dy, BlockTensors parameters, BlockTensors gradients, int count)
    {
        if (_norm is null)
        {
            return dy;
        }

        Array.Clear(_gradient);
        _norm.Backward(dy, parameters[norm], _gradient, gradients[norm], count);
        return _gradient;
    }
}
