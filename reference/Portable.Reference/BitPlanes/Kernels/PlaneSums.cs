using System.Runtime.CompilerServices;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>The plane-pair loop: Σ_i Σ_j c_i·d_j·popcount(X_i AND W_j) for one activation row and the channels of a vector.</summary>
internal static unsafe class PlaneSums<TLanes, TCount, U>
    where TLanes : struct, IWordLanes<U>
    where TCount : struct, IPopCountLanes<U>
    where U : struct
{
    // Words whose carries are folded together; a byte of eights then grows by at most 8.
    private const int Chunk = 8;
    private const int ChunksPerSum = 31;

    /// <summary>Sums modulo 2^32 in the low half of each lane.</summary>
    /// <param name="x">Activation words, [block × bits + plane].</param>
    /// <param name="digit">Their format.</param>
    /// <param name="panel">Weight words, [plane][block][channel].</param>
    /// <param name="weights">Their format.</param>
    /// <param name="blocks">Blocks of the group.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static U Sum(ulong* x, CodeFormat digit, ulong* panel, CodeFormat weights, int blocks)
    {
        U sum = default;
        for (int j = 0; j < weights.Bits; j++)
        {
            ulong* w = panel + (long)j * blocks * TLanes.Count;
            for (int i = 0; i < digit.Bits; i++)
            {
                U count = TLanes.ShiftLeft(Count(x + i, digit.Bits, w, blocks), i + j);
                sum = digit.PlaneWeight(i) < 0 == weights.PlaneWeight(j) < 0 ? TCount.Add(sum, count) : TCount.Subtract(sum, count);
            }
        }

        return sum;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static U Count(ulong* x, int stride, ulong* w, int blocks)
    {
        U ones = default, twos = default, fours = default, total = default;
        int lanes = TLanes.Count;
        while (blocks >= Chunk)
        {
            int chunks = Math.Min(blocks / Chunk, ChunksPerSum);
            blocks -= chunks * Chunk;
            U eights = default;
            for (; chunks > 0; chunks--)
            {
                U twosA = Add(ref ones, And(x, w), And(x + stride, w + lanes));
                U twosB = Add(ref ones, And(x + 2 * stride, w + 2 * lanes), And(x + 3 * stride, w + 3 * lanes));
                U foursA = Add(ref twos, twosA, twosB);
                twosA = Add(ref ones, And(x + 4 * stride, w + 4 * lanes), And(x + 5 * stride, w + 5 * lanes));
                twosB = Add(ref ones, And(x + 6 * stride, w + 6 * lanes), And(x + 7 * stride, w + 7 * lanes));
                U foursB = Add(ref twos, twosA, twosB);
                eights = TCount.AddBytes(eights, TCount.CountBytes(Add(ref fours, foursA, foursB)));
                x += Chunk * stride;
                w += Chunk * lanes;
            }

            total = TCount.Add(total, TLanes.ShiftLeft(TCount.SumBytes(eights), 3));
        }

        // At most 8 + 2·8 + 4·8 from the adders and 7·8 from what is left: a byte holds it.
        U fourCounts = TCount.CountBytes(fours), twoCounts = TCount.AddBytes(TCount.CountBytes(twos), TCount.AddBytes(fourCounts, fourCounts));
        U rest = TCount.AddBytes(TCount.CountBytes(ones), TCount.AddBytes(twoCounts, twoCounts));
        for (; blocks > 0; blocks--, x += stride, w += lanes)
        {
            rest = TCount.AddBytes(rest, TCount.CountBytes(And(x, w)));
        }

        return TCount.Add(total, TCount.SumBytes(rest));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static U And(ulong* x, ulong* w) => TLanes.And(TCount.Load(w), TLanes.Broadcast(*x));

    // A full adder per bit: the carry is returned, the sum stays.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static U Add(ref U sum, U a, U b)
    {
        U carry = TCount.Majority(sum, a, b);
        sum = TCount.Xor3(sum, a, b);
        return carry;
    }
}
