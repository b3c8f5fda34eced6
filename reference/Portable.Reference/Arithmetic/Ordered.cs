using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.Arithmetic;

/// <summary>
/// The contract's reductions, vectorised: <see cref="Contract.Partials"/> partial sums, partial p taking the elements k with
/// (k / 2) mod 32 = p in ascending order, then pairwise halving. Bit for bit <see cref="Contract.OrderedDot"/>.
/// </summary>
internal static class Ordered
{
    private const int Block = 2 * Contract.Partials;

    /// <summary>Σ a·b; not canonicalised.</summary>
    /// <param name="a">K values.</param>
    /// <param name="b">At least K values.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Accumulator sum = default;
        int k = 0;
        for (; k <= a.Length - Block; k += Block)
        {
            for (int quarter = 0; quarter < 4; quarter++)
            {
                int i = k + 16 * quarter;
                sum.Add(quarter, Vector256.Create(a.Slice(i, 8)) * Vector256.Create(b.Slice(i, 8)), Vector256.Create(a.Slice(i + 8, 8)) * Vector256.Create(b.Slice(i + 8, 8)));
            }
        }

        if (k < a.Length)
        {
            // Padding with +0 products leaves every partial as it is: partials are never −0.
            Span<float> products = stackalloc float[Block];
            products.Clear();
            for (int i = k; i < a.Length; i++)
            {
                products[i - k] = a[i] * b[i];
            }

            sum.Add(products);
        }

        return sum.Total();
    }

    /// <summary>Σ x; not canonicalised.</summary>
    /// <param name="x">K values.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static float Sum(ReadOnlySpan<float> x)
    {
        Accumulator sum = default;
        int k = 0;
        for (; k <= x.Length - Block; k += Block)
        {
            sum.Add(x.Slice(k, Block));
        }

        if (k < x.Length)
        {
            Span<float> rest = stackalloc float[Block];
            rest.Clear();
            x[k..].CopyTo(rest);
            sum.Add(rest);
        }

        return sum.Total();
    }

    /// <summary>The 32 partial sums, in the lane order that <see cref="Even"/> leaves.</summary>
    private struct Accumulator
    {
        private Vector256<float> _p0, _p1, _p2, _p3;

        /// <summary>Adds 16 products of the partials 8·quarter … 8·quarter + 7.</summary>
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        public void Add(int quarter, Vector256<float> low, Vector256<float> high)
        {
            Vector256<float> even = Even(low, high), odd = Odd(low, high);
            switch (quarter)
            {
                case 0: _p0 = _p0 + even + odd; break;
                case 1: _p1 = _p1 + even + odd; break;
                case 2: _p2 = _p2 + even + odd; break;
                default: _p3 = _p3 + even + odd; break;
            }
        }

        public void Add(ReadOnlySpan<float> block)
        {
            for (int quarter = 0; quarter < 4; quarter++)
            {
                Add(quarter, Vector256.Create(block.Slice(16 * quarter, 8)), Vector256.Create(block.Slice(16 * quarter + 8, 8)));
            }
        }

        /// <summary>p[i] += p[i + 16], 8, 4, 2, 1.</summary>
        public readonly float Total()
        {
            Vector256<float> eight = _p0 + _p2 + (_p1 + _p3);
            // Lanes hold the partials 0 1 4 5 | 2 3 6 7.
            Vector128<float> low = eight.GetLower(), high = eight.GetUpper();
            Vector128<float> zero = Vector128.Create(low[0], low[1], high[0], high[1]), four = Vector128.Create(low[2], low[3], high[2], high[3]);
            Vector128<float> sum = zero + four;
            return sum[0] + sum[2] + (sum[1] + sum[3]);
        }
    }

    /// <summary>Even elements of 16 consecutive ones, in the order 0 2 8 10 | 4 6 12 14.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Even(Vector256<float> a, Vector256<float> b)
    {
        if (Avx.IsSupported)
        {
            return Avx.Shuffle(a, b, 0b10_00_10_00);
        }

        return Select(Vector256.Shuffle(a, Vector256.Create(0, 2, 0, 2, 4, 6, 4, 6)), Vector256.Shuffle(b, Vector256.Create(0, 2, 0, 2, 4, 6, 4, 6)));
    }

    /// <summary>Odd elements of 16 consecutive ones, in the order 1 3 9 11 | 5 7 13 15.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static Vector256<float> Odd(Vector256<float> a, Vector256<float> b)
    {
        if (Avx.IsSupported)
        {
            return Avx.Shuffle(a, b, 0b11_01_11_01);
        }

        return Select(Vector256.Shuffle(a, Vector256.Create(1, 3, 1, 3, 5, 7, 5, 7)), Vector256.Shuffle(b, Vector256.Create(1, 3, 1, 3, 5, 7, 5, 7)));
    }

    private static Vector256<float> Select(Vector256<float> a, Vector256<float> b) =>
        Vector256.ConditionalSelect(Vector256.Create(-1, -1, 0, 0, -1, -1, 0, 0).AsSingle(), a, b);
}
