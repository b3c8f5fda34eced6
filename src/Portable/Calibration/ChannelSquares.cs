using Portable.Models;
using Portable.Reference.Blocks;

namespace Portable.Calibration;

/// <summary>Σ x² of each channel of a block's inputs over calibration tokens, in double, token by token: the diagonals of their Hessians.</summary>
internal sealed class ChannelSquares
{
    private readonly Dictionary<BlockInput, double[]> _sums = [];

    /// <summary>One value per channel of an input.</summary>
    public double[] this[BlockInput input] => _sums[input];

    /// <summary>Sums over a stream, which stays where it is.</summary>
    public static ChannelSquares Observe(BlockWeights block, BlockStream stream)
    {
        ChannelSquares squares = new();
        foreach (BlockInput input in BlockInputs.All)
        {
            squares._sums.Add(input, new double[block.Layout.Columns(input)]);
        }

        stream.Observe(block, (input, values, rows) =>
        {
            double[] sums = squares._sums[input];
            for (int i = 0; i < values.Length; i++)
            {
                sums[i % sums.Length] += (double)values[i] * values[i];
            }
        });
        return squares;
    }
}
