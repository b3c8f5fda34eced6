using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.Arithmetic.Gemm;

/// <summary>Transposes f32 blocks, 8 × 8 in registers where there is AVX.</summary>
internal static unsafe class Transposition
{
    /// <summary>destination[c × destinationStride + r] = source[r × sourceStride + c].</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Run(float* source, nint sourceStride, int rows, int columns, float* destination, nint destinationStride)
    {
        int r = 0;
        if (Avx.IsSupported)
        {
            for (; r <= rows - 8; r += 8)
            {
                int c = 0;
                for (; c <= columns - 8; c += 8)
                {
                    Eight(source + r * sourceStride + c, sourceStride, destination + c * destinationStride + r, destinationStride);
                }

                Plain(source + r * sourceStride + c, sourceStride, 8, columns - c, destination + c * destinationStride + r, destinationStride);
            }
        }

        Plain(source + r * sourceStride, sourceStride, rows - r, columns, destination + r, destinationStride);
    }

    private static void Plain(float* source, nint sourceStride, int rows, int columns, float* destination, nint destinationStride)
    {
        for (int r = 0; r < rows; r++)
        {
            for (int c = 0; c < columns; c++)
            {
                destination[c * destinationStride + r] = source[r * sourceStride + c];
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Eight(float* s, nint n, float* d, nint m)
    {
        // 4 × 4 transpositions within 128-bit halves: rows r and r + 4 are joined on load.
        Vector256<float> a0 = Join(s, s + 4 * n), a1 = Join(s + n, s + 5 * n), a2 = Join(s + 2 * n, s + 6 * n), a3 = Join(s + 3 * n, s + 7 * n);
        Vector256<float> b0 = Join(s + 4, s + 4 * n + 4), b1 = Join(s + n + 4, s + 5 * n + 4), b2 = Join(s + 2 * n + 4, s + 6 * n + 4), b3 = Join(s + 3 * n + 4, s + 7 * n + 4);
        Four(a0, a1, a2, a3, d, m);
        Four(b0, b1, b2, b3, d + 4 * m, m);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Join(float* low, float* high) => Vector256.Create(Vector128.Load(low), Vector128.Load(high));

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Four(Vector256<float> r0, Vector256<float> r1, Vector256<float> r2, Vector256<float> r3, float* d, nint m)
    {
        Vector256<float> low01 = Avx.UnpackLow(r0, r1), high01 = Avx.UnpackHigh(r0, r1), low23 = Avx.UnpackLow(r2, r3), high23 = Avx.UnpackHigh(r2, r3);
        Avx.Shuffle(low01, low23, 0b01_00_01_00).Store(d);
        Avx.Shuffle(low01, low23, 0b11_10_11_10).Store(d + m);
        Avx.Shuffle(high01, high23, 0b01_00_01_00).Store(d + 2 * m);
        Avx.Shuffle(high01, high23, 0b11_10_11_10).Store(d + 3 * m);
    }
}
