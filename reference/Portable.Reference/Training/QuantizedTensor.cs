using Portable.Reference.Threading;

namespace Portable.Reference.Training;

/// <summary>
/// An activation, its quantized form and its gradient: rows of <paramref name="columns"/> values share a range (a token, or a
/// token's head).
/// </summary>
/// <param name="tokens">The most tokens.</param>
/// <param name="rowsPerToken">1, or the heads of a token.</param>
/// <param name="columns">Values of a row.</param>
/// <param name="levels">The largest code; 0 = not quantized.</param>
internal sealed class QuantizedTensor(int tokens, int rowsPerToken, int columns, int levels)
{
    private readonly float[] _quantized = new float[levels == 0 ? 0 : tokens * rowsPerToken * columns];
    private readonly AffineRange[] _ranges = new AffineRange[levels == 0 ? 0 : tokens * rowsPerToken];

    /// <summary>Values before the quantizer.</summary>
    public float[] Values { get; } = new float[tokens * rowsPerToken * columns];

    /// <summary>Values after it.</summary>
    public float[] Quantized => levels == 0 ? Values : _quantized;

    /// <summary>∂/∂Quantized, then after <see cref="Backward"/> ∂/∂Values.</summary>
    public float[] Gradient { get; } = new float[tokens * rowsPerToken * columns];

    /// <summary>Quantizes the first <paramref name="count"/> tokens.</summary>
    public void Quantize(int count)
    {
        if (levels == 0)
        {
            return;
        }

        WorkerPool.Run(count, t =>
        {
            for (int row = t * rowsPerToken; row < (t + 1) * rowsPerToken; row++)
            {
                ReadOnlySpan<float> x = Values.AsSpan(row * columns, columns);
                _ranges[row] = AffineQuantization.Range(x, levels);
                AffineQuantization.Dequantized(x, _quantized.AsSpan(row * columns, columns), levels, _ranges[row]);
            }
        });
    }

    /// <summary>Takes the gradient through the quantizer.</summary>
    public void Backward(int count)
    {
        if (levels == 0)
        {
            return;
        }

        WorkerPool.Run(count, t =>
        {
            for (int row = t * rowsPerToken; row < (t + 1) * rowsPerToken; row++)
            {
                AffineQuantization.Backward(Values.AsSpan(row * columns, columns), Gradient.AsSpan(row * columns, columns), levels, _ranges[row]);
            }
        });
    }
}
