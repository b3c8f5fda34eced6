using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Portable.Calibration;

/// <summary>Adds sums of one batch, in single precision, to sums over batches, in double.</summary>
internal static class BatchSums
{
    /// <summary>sums[i] += batch[i] for a run of elements.</summary>
    public static void Add(float[] batch, double[] sums, int first, int count)
    {
        ReadOnlySpan<float> source = batch.AsSpan(first, count);
        Span<double> target = sums.AsSpan(first, count);
        ReadOnlySpan<Vector256<float>> vectors = MemoryMarshal.Cast<float, Vector256<float>>(source);
        Span<Vector256<double>> totals = MemoryMarshal.Cast<double, Vector256<double>>(target);
        for (int v = 0; v < vectors.Length; v++)
        {
            (Vector256<double> low, Vector256<double> high) = Vector256.Widen(vectors[v]);
            totals[2 * v] += low;
            totals[2 * v + 1] += high;
        }

        for (int i = vectors.Length * Vector256<float>.Count; i < count; i++)
        {
            target[i] += source[i];
        }
    }
}
