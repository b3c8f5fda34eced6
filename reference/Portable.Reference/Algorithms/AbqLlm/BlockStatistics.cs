using Portable.Reference.Blocks;
using Portable.Reference.Training;

namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>Largest magnitude and mean square of every input channel of a block's linears over the calibration set.</summary>
/// <param name="layout">The block.</param>
internal sealed class BlockStatistics(BlockLayout layout)
{
    /// <summary>A layer for each input of a block.</summary>
    public static IReadOnlyList<BlockSlot> Inputs { get; } = [BlockSlot.Query, BlockSlot.Output, BlockSlot.Up, BlockSlot.Down];
    private readonly Dictionary<BlockSlot, float[]> _maxima = Inputs.ToDictionary(l => l, l => new float[layout.SizeOf(l).Columns]);
    private readonly Dictionary<BlockSlot, double[]> _squares = Inputs.ToDictionary(l => l, l => new double[layout.SizeOf(l).Columns]);
    private long _tokens;

    /// <summary>Adds the inputs of the block's last forward pass.</summary>
    public void Add(TrainingBlock block, int tokens)
    {
        foreach (BlockSlot linear in Inputs)
        {
            float[] values = block.InputOf(linear), maxima = _maxima[linear];
            double[] squares = _squares[linear];
            for (int t = 0; t < tokens; t++)
            {
                ReadOnlySpan<float> row = values.AsSpan(t * maxima.Length, maxima.Length);
                for (int k = 0; k < row.Length; k++)
                {
                    maxima[k] = MathF.Max(maxima[k], MathF.Abs(row[k]));
                    squares[k] += (double)row[k] * row[k];
                }
            }
        }

        _tokens += tokens;
    }

    /// <summary>Takes what was summed elsewhere.</summary>
    /// <param name="input">Any layer that reads the input.</param>
    /// <param name="maxima">Largest |x| per channel.</param>
    /// <param name="squares">Σ x² per channel; replaces what is there.</param>
    /// <param name="tokens">Tokens of all inputs, each of which is set once.</param>
    public void Set(BlockSlot input, float[] maxima, double[] squares, long tokens)
    {
        maxima.CopyTo(_maxima[Input(input)], 0);
        squares.CopyTo(_squares[Input(input)], 0);
        _tokens = tokens;
    }

    /// <summary>Largest |x| per input channel of a layer.</summary>
    public float[] Maximum(BlockSlot linear) => _maxima[Input(linear)];

    /// <summary>Mean of x² per input channel of a layer.</summary>
    public float[] MeanSquare(BlockSlot linear) => [.. _squares[Input(linear)].Select(s => (float)(s / Math.Max(_tokens, 1)))];

    private static BlockSlot Input(BlockSlot linear) => linear switch
    {
        BlockSlot.Key or BlockSlot.Value => BlockSlot.Query,
        BlockSlot.Gate => BlockSlot.Up,
        _ => linear,
    };
}
