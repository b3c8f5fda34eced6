using Portable.Reference.BitPlanes;
using Portable.Reference.Threading;

namespace Portable.Reference.Training;

/// <summary>
/// An activation, its quantized form and its gradient: rows of <paramref name="columns"/> values share a range (a token, or a
/// token's head), or each group of their columns has one of its own.
/// </summary>
/// <param name="tokens">The most tokens.</param>
/// <param name="rowsPerToken">1, or the heads of a token.</param>
/// <param name="columns">Values of a row.</param>
/// <param name="levels">The largest code; 0 = not quantized.</param>
/// <param name="group">Columns that share a range; 0 = all. The last group of a row may be shorter.</param>
internal sealed class QuantizedTensor(int tokens, int rowsPerToken, int columns, int levels, int group = 0)
{
    private readonly GroupLayout _layout = new(columns, group);

    private readonly float[] _quantized = new float[levels == 0 ? 0 : tokens * rowsPerToken * columns];
    private readonly AffineRange[] _ranges = new AffineRange[levels == 0 ? 0 : tokens * rowsPerToken * new GroupLayout(columns, group).Groups];

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
                for (int g = 0; g < _layout.Groups; g++)
                {
                    (int first, int count) = Run(row, g);
                    ref AffineRange range = ref _ranges[row * _layout.Groups + g];
                    ReadOnlySpan<float> x = Values.AsSpan(first, count);
                    range = AffineQuantization.Range(x, levels);
                    AffineQuantization.Dequantized(x, _quantized.AsSpan(first, count), levels, range);
                }
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
                for (int g = 0; g < _layout.Groups; g++)
                {
                    (int first, int count) = Run(row, g);
                    AffineQuantization.Backward(Values.AsSpan(first, count), Gradient.AsSpan(first, count), levels, _ranges[row * _layout.Groups + g]);
                }
            }
        });
    }

    // Where a group of a row stands among all values.
    private (int First, int Count) Run(int row, int group) => (row * columns + _layout.FirstColumn(group), _layout.ColumnsIn(group));
}
