using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Models;
using Portable.Reference.Blocks;

namespace Portable.Calibration;

/// <summary>max|x| of each channel over calibration tokens.</summary>
/// <param name="size">K.</param>
internal sealed class ChannelMaxima(int size)
{
    /// <summary>K values.</summary>
    public float[] Values { get; } = new float[size];

    /// <summary>Adds a batch of rows × K values.</summary>
    public void Add(ReadOnlySpan<float> x)
    {
        for (int start = 0; start < x.Length; start += size)
        {
            Raise(x.Slice(start, size), Values);
        }
    }

    /// <summary>The maxima of a block's four inputs over a stream.</summary>
    public static Dictionary<BlockInput, float[]> Observe(BlockWeights block, BlockStream stream)
    {
        Dictionary<BlockInput, IColumnMaxima> maxima = BlockInputs.All.ToDictionary(i => i, i => stream.Device.CreateMaxima(block.Layout.Columns(i)));
        try
        {
            stream.Sum(block, maxima.ToDictionary(m => m.Key, m => (IInputSums)m.Value));
            return maxima.ToDictionary(m => m.Key, m => m.Value.Read());
        }
        finally
        {
            foreach (IColumnMaxima each in maxima.Values)
            {
                each.Dispose();
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Raise(ReadOnlySpan<float> row, Span<float> maxima)
    {
        int j = 0;
        for (; j <= row.Length - 8; j += 8)
        {
            Vector256.Max(Vector256.Create(maxima.Slice(j, 8)), Vector256.Abs(Vector256.Create(row.Slice(j, 8)))).CopyTo(maxima[j..]);
        }

        for (; j < row.Length; j++)
        {
            maxima[j] = MathF.Max(maxima[j], MathF.Abs(row[j]));
        }
    }
}
