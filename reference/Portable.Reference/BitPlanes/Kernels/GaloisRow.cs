using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>One group of one weight row against up to four activation rows.</summary>
/// <typeparam name="TFields">Blocks per transposition.</typeparam>
/// <typeparam name="TRows">Activation rows.</typeparam>
internal static unsafe class GaloisRow<TFields, TRows>
    where TFields : struct, ICount
    where TRows : struct, ICount
{
    private const int Block = GroupLayout.BlockSize;

    /// <summary>Codes of at most 7 bits: 16-bit pair sums, widened after <paramref name="deferral"/> blocks.</summary>
    /// <param name="expansion">Constants.</param>
    /// <param name="words">The group's first word.</param>
    /// <param name="bits">Words per block.</param>
    /// <param name="readable">Words from there to the end of the matrix.</param>
    /// <param name="x">The first row's digits of the group.</param>
    /// <param name="stride">Bytes between rows.</param>
    /// <param name="blocks">Blocks of the group.</param>
    /// <param name="deferral">Blocks before sums must be widened.</param>
    /// <param name="totals">One sum per row.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Sum(in GaloisExpansion expansion, ulong* words, int bits, long readable, byte* x, long stride, int blocks, int deferral, int* totals)
    {
        GaloisExpansion e = expansion;
        Vector512<int> s0 = default, s1 = default, s2 = default, s3 = default;
        Vector512<short> p0 = default, p1 = default, p2 = default, p3 = default;
        int left = deferral, fields = TFields.Value;
        long position = 0;
        while (blocks > 0)
        {
            bool all = blocks >= fields && deferral >= fields;
            int taken = all ? fields : 1;
            if (left < taken)
            {
                Widen(ref s0, ref p0, ref s1, ref p1, ref s2, ref p2, ref s3, ref p3);
                left = deferral;
            }

            Vector512<byte> planes = readable - position >= 8 ? Vector512.Load((byte*)(words + position)) : LoadTail(words + position, taken * bits);
            if (all)
            {
                Vector512<byte> codes = e.TransposeAll(planes);
                Add(e.Field(codes, 0), x, stride, ref p0, ref p1, ref p2, ref p3);
                if (TFields.Value > 1)
                {
                    Add(e.Field(codes, 8 / TFields.Value), x + Block, stride, ref p0, ref p1, ref p2, ref p3);
                }

                if (TFields.Value > 2)
                {
                    Add(e.Field(codes, 16 / TFields.Value), x + 2 * Block, stride, ref p0, ref p1, ref p2, ref p3);
                    Add(e.Field(codes, 24 / TFields.Value), x + 3 * Block, stride, ref p0, ref p1, ref p2, ref p3);
                }

                if (TFields.Value > 4)
                {
                    Add(e.Field(codes, 4), x + 4 * Block, stride, ref p0, ref p1, ref p2, ref p3);
                    Add(e.Field(codes, 5), x + 5 * Block, stride, ref p0, ref p1, ref p2, ref p3);
                    Add(e.Field(codes, 6), x + 6 * Block, stride, ref p0, ref p1, ref p2, ref p3);
                    Add(e.Field(codes, 7), x + 7 * Block, stride, ref p0, ref p1, ref p2, ref p3);
                }
            }
            else
            {
                Add(e.Field(e.TransposeOne(planes), 0), x, stride, ref p0, ref p1, ref p2, ref p3);
            }

            left -= taken;
            blocks -= taken;
            position += taken * bits;
            x += taken * Block;
        }

        Widen(ref s0, ref p0, ref s1, ref p1, ref s2, ref p2, ref s3, ref p3);
        Finish(s0, s1, s2, s3, totals);
    }

    /// <summary>8-bit codes: two 4-bit digits, 16·high + low.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void SumDigits(in GaloisExpansion expansion, ulong* words, byte* x, long stride, int blocks, int deferral, int* totals)
    {
        GaloisExpansion e = expansion;
        Vector512<int> s0 = default, s1 = default, s2 = default, s3 = default, h0 = default, h1 = default, h2 = default, h3 = default;
        Vector512<byte> nibble = Vector512.Create((byte)15);
        while (blocks > 0)
        {
            int count = Math.Min(blocks, deferral);
            blocks -= count;
            Vector512<short> p0 = default, p1 = default, p2 = default, p3 = default, q0 = default, q1 = default, q2 = default, q3 = default;
            for (; count > 0; count--, words += 8, x += Block)
            {
                Vector512<byte> codes = e.Flip(e.TransposeOne(Vector512.Load((byte*)words)));
                Add(codes & nibble, x, stride, ref p0, ref p1, ref p2, ref p3);
                Add((codes.AsUInt16() >>> 4).AsByte() & nibble, x, stride, ref q0, ref q1, ref q2, ref q3);
            }

            Widen(ref s0, ref p0, ref s1, ref p1, ref s2, ref p2, ref s3, ref p3);
            Widen(ref h0, ref q0, ref h1, ref q1, ref h2, ref q2, ref h3, ref q3);
        }

        Finish(s0 + (h0 << 4), s1 + (h1 << 4), s2 + (h2 << 4), s3 + (h3 << 4), totals);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector512<byte> codes, byte* x, long stride, ref Vector512<short> p0, ref Vector512<short> p1, ref Vector512<short> p2, ref Vector512<short> p3)
    {
        p0 += Avx512BW.MultiplyAddAdjacent(codes, Vector512.Load((sbyte*)x));
        if (TRows.Value > 1)
        {
            p1 += Avx512BW.MultiplyAddAdjacent(codes, Vector512.Load((sbyte*)x + stride));
        }

        if (TRows.Value > 2)
        {
            p2 += Avx512BW.MultiplyAddAdjacent(codes, Vector512.Load((sbyte*)x + 2 * stride));
            p3 += Avx512BW.MultiplyAddAdjacent(codes, Vector512.Load((sbyte*)x + 3 * stride));
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Widen(
        ref Vector512<int> s0, ref Vector512<short> p0, ref Vector512<int> s1, ref Vector512<short> p1,
        ref Vector512<int> s2, ref Vector512<short> p2, ref Vector512<int> s3, ref Vector512<short> p3)
    {
        s0 += Avx512BW.MultiplyAddAdjacent(p0, Vector512<short>.One);
        p0 = default;
        if (TRows.Value > 1)
        {
            s1 += Avx512BW.MultiplyAddAdjacent(p1, Vector512<short>.One);
            p1 = default;
        }

        if (TRows.Value > 2)
        {
            s2 += Avx512BW.MultiplyAddAdjacent(p2, Vector512<short>.One);
            s3 += Avx512BW.MultiplyAddAdjacent(p3, Vector512<short>.One);
            p2 = default;
            p3 = default;
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Finish(Vector512<int> s0, Vector512<int> s1, Vector512<int> s2, Vector512<int> s3, int* totals)
    {
        totals[0] = Vector512.Sum(s0);
        if (TRows.Value > 1)
        {
            totals[1] = Vector512.Sum(s1);
        }

        if (TRows.Value > 2)
        {
            totals[2] = Vector512.Sum(s2);
            totals[3] = Vector512.Sum(s3);
        }
    }

    private static Vector512<byte> LoadTail(ulong* words, int count)
    {
        ulong* copy = stackalloc ulong[8];
        for (int i = 0; i < count; i++)
        {
            copy[i] = words[i];
        }

        return Vector512.Load((byte*)copy);
    }
}
