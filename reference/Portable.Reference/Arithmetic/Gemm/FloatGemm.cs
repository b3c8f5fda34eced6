using System.Runtime.Intrinsics;
using Portable.Reference.Threading;

namespace Portable.Reference.Arithmetic.Gemm;

/// <summary>
/// f32 matrix products of unquantized models and training. Each output is Σ_k in ascending k with fused multiply-add, lanes
/// being outputs, so that the result is the same on every instruction set and for every thread count.
/// </summary>
internal static unsafe class FloatGemm
{
    /// <summary>y (+)= x·wᵀ.</summary>
    /// <param name="x">M×K.</param>
    /// <param name="w">N×K.</param>
    /// <param name="y">M×N.</param>
    /// <param name="m">M ≥ 0.</param>
    /// <param name="n">N ≥ 0.</param>
    /// <param name="k">K ≥ 0; 0 leaves or clears y.</param>
    /// <param name="accumulate">Start from y instead of 0.</param>
    /// <exception cref="ArgumentException">An operand is shorter than its shape.</exception>
    public static void Multiply(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<float> y, int m, int n, int k, bool accumulate = false)
    {
        fixed (float* b = w)
        {
            Run(x, new FloatOperand((byte*)b, ElementType.Float32, true, n, k), w.Length, y, m, n, k, accumulate);
        }
    }

    /// <summary>y (+)= x·wᵀ with the weights in a checkpoint's element type, converted (exactly) while they are packed.</summary>
    /// <param name="x">M×K.</param>
    /// <param name="w">N×K little-endian elements.</param>
    /// <param name="type">Element type.</param>
    /// <param name="y">M×N.</param>
    /// <param name="m">M.</param>
    /// <param name="n">N.</param>
    /// <param name="k">K.</param>
    /// <param name="accumulate">Start from y instead of 0.</param>
    /// <exception cref="ArgumentException">An operand is shorter than its shape.</exception>
    public static void Multiply(ReadOnlySpan<float> x, ReadOnlySpan<byte> w, ElementType type, Span<float> y, int m, int n, int k, bool accumulate = false)
    {
        fixed (byte* b = w)
        {
            Run(x, new FloatOperand(b, type, true, n, k), w.Length / ElementConversion.SizeOf(type), y, m, n, k, accumulate);
        }
    }

    /// <summary>y (+)= x·b.</summary>
    /// <param name="x">M×K.</param>
    /// <param name="b">K×N.</param>
    /// <param name="y">M×N.</param>
    /// <param name="m">M.</param>
    /// <param name="n">N.</param>
    /// <param name="k">K.</param>
    /// <param name="accumulate">Start from y instead of 0.</param>
    /// <exception cref="ArgumentException">An operand is shorter than its shape.</exception>
    public static void MultiplyNN(ReadOnlySpan<float> x, ReadOnlySpan<float> b, Span<float> y, int m, int n, int k, bool accumulate = false)
    {
        fixed (float* data = b)
        {
            Run(x, new FloatOperand((byte*)data, ElementType.Float32, false, n, k), b.Length, y, m, n, k, accumulate);
        }
    }

    /// <summary>y (+)= aᵀ·b.</summary>
    /// <param name="a">K×M.</param>
    /// <param name="b">K×N.</param>
    /// <param name="y">M×N.</param>
    /// <param name="m">M.</param>
    /// <param name="n">N.</param>
    /// <param name="k">K.</param>
    /// <param name="accumulate">Start from y instead of 0.</param>
    /// <exception cref="ArgumentException">An operand is shorter than its shape.</exception>
    public static void MultiplyTN(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y, int m, int n, int k, bool accumulate = false) =>
        MultiplyTransposed(a, b, y, m, n, k, accumulate, upper: false);

    /// <summary>The upper triangle of aᵀ·a, as <see cref="MultiplyTN"/> gives it; what is below the diagonal means nothing.</summary>
    /// <param name="a">K×N.</param>
    /// <param name="y">N×N.</param>
    /// <param name="n">N.</param>
    /// <param name="k">K.</param>
    /// <exception cref="ArgumentException">An operand is shorter than its shape.</exception>
    public static void UpperGram(ReadOnlySpan<float> a, Span<float> y, int n, int k) => MultiplyTransposed(a, a, y, n, n, k, accumulate: false, upper: true);

    private static void MultiplyTransposed(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y, int m, int n, int k, bool accumulate, bool upper)
    {
        if (a.Length < (long)m * k)
        {
            throw new ArgumentException($"The left operand does not fit {m}×{k}.", nameof(a));
        }

        const int TiledSlot = 2, Strip = 8 * MicroKernel.Rows;
        int tiles = (m + MicroKernel.Rows - 1) / MicroKernel.Rows;
        float* tiled = Scratch.Get<float>(TiledSlot, (long)tiles * MicroKernel.Rows * k);
        fixed (float* data = a)
        {
            float* source = data;
            WorkerPool.Run((m + Strip - 1) / Strip, strip =>
            {
                int first = strip * Strip;
                RowTiles.Pack(source + first, m, Math.Min(Strip, m - first), k, tiled + (long)first * k);
            });
        }

        fixed (float* data = b)
        {
            Run(new ReadOnlySpan<float>(tiled, m * k), new FloatOperand((byte*)data, ElementType.Float32, false, n, k), b.Length, y, m, n, k, accumulate, upper, tiled: true);
        }
    }

    private static void Run(ReadOnlySpan<float> x, FloatOperand b, long length, Span<float> y, int m, int n, int k, bool accumulate, bool upper = false, bool tiled = false)
    {
        if (x.Length < (long)m * k || length < (long)n * k || y.Length < (long)m * n)
        {
            throw new ArgumentException($"The operands do not fit {m}×{n}×{k}.");
        }

        if (k == 0 && !accumulate)
        {
            y[..(m * n)].Clear();
        }

        if (m == 0 || n == 0 || k == 0)
        {
            return;
        }

        fixed (float* a = x, c = y)
        {
            if (Vector512.IsHardwareAccelerated)
            {
                GemmDriver.Run<Simd512, Vector512<float>, FusedMultiplyAdd>(a, b, c, m, n, k, accumulate, upper, tiled);
            }
            else
            {
                GemmDriver.Run<Simd256, Vector256<float>, FusedMultiplyAdd>(a, b, c, m, n, k, accumulate, upper, tiled);
            }
        }
    }
}
