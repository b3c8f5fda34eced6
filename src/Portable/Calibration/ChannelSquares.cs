using Portable.Models;
using Portable.Reference.Blocks;

namespace Portable.Calibration;

/// <summary>Σ x² of each channel of a block's inputs over calibration tokens, in double, token by token: the diagonals of their Hessians.</summary>
internal static class ChannelSquares
{
    /// <summary>Sums over a stream, where it runs; it stays where it is.</summary>
    public static Dictionary<BlockInput, double[]> Observe(BlockWeights block, BlockStream stream)
    {
        Dictionary<BlockInput, IColumnSquares> squares = BlockInputs.All.ToDictionary(i => i, i => stream.Device.CreateSquares(block.Layout.Columns(i)));
        try
        {
            stream.Sum(block, squares.ToDictionary(s => s.Key, s => (IInputSums)s.Value));
            return squares.ToDictionary(s => s.Key, s => s.Value.Read());
        }
        finally
        {
            foreach (IColumnSquares each in squares.Values)
            {
                each.Dispose();
            }
        }
    }
}
