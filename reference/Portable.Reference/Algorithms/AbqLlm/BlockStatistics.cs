using Portable.Reference.Training;

namespace Portable.Reference.Algorithms.AbqLlm;

/// <summary>Largest magnitude and mean square of every input channel of a block's linears over the calibration set.</summary>
/// <param name="shape">Shape of the block.</param>
internal sealed class BlockStatistics(BlockShape shape)
{
    private static readonly BlockLinear[] Inputs = [BlockLinear.Query, BlockLinear.Output, BlockLinear.Up, BlockLinear.Down];
    private readonly Dictionary<BlockLinear, float[]> _maxima = Inputs.ToDictionary(l => l, l => new float[shape.SizeOf(l).Columns]);
    private readonly Dictionary<BlockLinear, double[]> _squares = Inputs.ToDictionary(l => l, l => new double[shape.SizeOf(l).Columns]);
    private long _tokens;

    /// <summary>Adds the inputs of the block's last forward pass.</summary>
    public void Add(TrainingBlock block, int tokens)
    {
        foreach (BlockLinear linear in Inputs)
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

    /// <summary>Largest |x| per input channel of a layer.</summary>
    public float[] Maximum(BlockLinear linear) => _maxima[Input(linear)];

    /// <summary>Mean of x² per input channel of a layer.</summary>
    public float[] MeanSquare(BlockLinear linear) => [.. _squares[Input(linear)].Select(s => (float)(s / Math.Max(_tokens, 1)))];

    private static BlockLinear Input(BlockLinear linear) => linear switch
    {
        BlockLinear.Key or BlockLinear.Value => BlockLinear.Query,
        BlockLinear.Gate => BlockLinear.Up,
        _ => linear,
    };
}
