using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.Operations;

/// <summary>Reductions of one row of attention.</summary>
internal static unsafe class AttentionRow
{
    private const int ChunkSize = KeyValueCache.ChunkSize;

    /// <summary>The largest lane.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Largest(Vector256<float> v)
    {
        Vector128<float> four = Vector128.MaxNative(v.GetLower(), v.GetUpper());
        return MathF.Max(MathF.Max(four[0], four[1]), MathF.Max(four[2], four[3]));
    }

    /// <summary>Σ over chunks, ascending, of sums that are sequential within a chunk; four chunks advance together to hide latency.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float ChunkedSum(float* p, int chunks)
    {
        float total = 0;
        int c = 0;
        for (; c <= chunks - 4; c += 4, p += 4 * ChunkSize)
        {
            float s0 = 0, s1 = 0, s2 = 0, s3 = 0;
            for (int t = 0; t < ChunkSize; t++)
            {
                s0 += p[t];
                s1 += p[t + ChunkSize];
                s2 += p[t + 2 * ChunkSize];
                s3 += p[t + 3 * ChunkSize];
            }

            total = total + s0 + s1 + s2 + s3;
        }

        for (; c < chunks; c++, p += ChunkSize)
        {
            float sum = 0;
            for (int t = 0; t < ChunkSize; t++)
            {
                sum += p[t];
            }

            total += sum;
        }

        return total;
    }
}
