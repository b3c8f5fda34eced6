using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;
using Portable.Reference.Threading;

namespace Portable.Reference.BitPlanes;

/// <summary>Σ of the codes of a row in each group, from its planes.</summary>
internal static class RowSums
{
    // Registers whose counts of bits (at most 8 a byte) a byte holds.
    private const int RegistersPerSum = 31;

    // Words of a group from which on counting whole registers is worth their lanes.
    private const int ManyWords = 64;

    // Rows of a piece of work.
    private const int PieceRows = 256;

    private static readonly byte[] Columns = CreateColumns();

    /// <summary>Counts all rows, [row × groups + group], on all threads.</summary>
    public static int[] Count(BitPlaneMatrix matrix)
    {
        int groups = matrix.Layout.Groups, words = matrix.RowWords;
        int[] sums = GC.AllocateUninitializedArray<int>(matrix.Rows * groups);
        WorkerPool.Run((matrix.Rows + PieceRows - 1) / PieceRows, piece =>
        {
            ulong[] room = matrix.BaseFive is null ? [] : new ulong[words];
            for (int row = piece * PieceRows; row < Math.Min(matrix.Rows, (piece + 1) * PieceRows); row++)
            {
                Count(matrix.ReadRows(row, 1, room), matrix.Layout, matrix.Format, sums.AsSpan(row * groups, groups));
            }
        });
        return sums;
    }

    /// <summary>Counts a row.</summary>
    /// <param name="words">The row's words, [block × bits + plane]; padding is 0.</param>
    /// <param name="layout">Its groups.</param>
    /// <param name="format">Its codes.</param>
    /// <param name="sums">Receives a sum per group.</param>
    // Loading counts once: this loop cannot wait for the JIT's second tier.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Count(ReadOnlySpan<ulong> words, GroupLayout layout, CodeFormat format, Span<int> sums)
    {
        int bits = format.Bits, top = format.Signed ? bits - 1 : bits, at = 0;
        for (int group = 0; group < sums.Length; group++)
        {
            int sum = 0, end = layout.EndBlock(group) * bits;
            if (Avx512BW.IsSupported && BitOperations.IsPow2(bits) && end - at >= ManyWords)
            {
                int whole = (end - at) / Vector512<ulong>.Count * Vector512<ulong>.Count;
                sum = CountRegisters(words.Slice(at, whole), format);
                at += whole;
            }
            else if (Gfni.V512.IsSupported && Avx512Vbmi.IsSupported)
            {
                // Registers are loaded whole: blocks of the row's last words go the other way.
                int blocks = Math.Min(end - at, words.Length - Vector512<ulong>.Count - at + bits) / bits;
                if (blocks > 0)
                {
                    sum = CountBlocks(words[at..], blocks, format);
                    at += blocks * bits;
                }
            }

            // What is left begins with a lowest plane: a register is whole blocks.
            while (at < end)
            {
                for (int plane = 0; plane < top; plane++)
                {
                    sum += BitOperations.PopCount(words[at++]) << plane;
                }

                if (top < bits)
                {
                    sum -= BitOperations.PopCount(words[at++]) << top;
                }
            }

            sums[group] = sum;
        }
    }

    /// <summary>Blocks of any width: an 8×8 bit transposition makes their codes bytes, which are added up.</summary>
    /// <param name="words">The blocks, and eight words from the last one's first on.</param>
    /// <param name="blocks">How many.</param>
    /// <param name="format">Their codes.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int CountBlocks(ReadOnlySpan<ulong> words, int blocks, CodeFormat format)
    {
        int bits = format.Bits, top = format.Signed ? 1 << (bits - 1) : 0;
        Vector512<byte> order = Vector512.Create(Columns), units = Vector512.Create(0x8040201008040201ul).AsByte();
        Vector512<byte> mask = Vector512.Create((byte)((1 << bits) - 1)), flip = Vector512.Create((byte)top);
        ref ulong first = ref MemoryMarshal.GetReference(words);
        Vector512<ulong> total = default;
        for (int block = 0; block < blocks; block++)
        {
            Vector512<byte> planes = Avx512Vbmi.PermuteVar64x8(Vector512.LoadUnsafe(ref first, (nuint)(block * bits)).AsByte(), order);
            Vector512<byte> codes = (Gfni.V512.GaloisFieldAffineTransform(units, planes, 0) & mask) ^ flip;
            total += Avx512BW.SumAbsoluteDifferences(codes, Vector512<byte>.Zero).AsUInt64();
        }

        // Flipping the top bit adds its weight to every code, padding included.
        return (int)Vector512.Sum(total) - (blocks * GroupLayout.BlockSize * top);
    }

    /// <summary>Whole registers, of widths that divide their eight words: lane j is plane j mod bits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static int CountRegisters(ReadOnlySpan<ulong> words, CodeFormat format)
    {
        Vector512<byte> nibble = Vector512.Create((byte)15), ones = Vector512.Create(Vector256.Create(Vector128.Create((byte)0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4)));
        ref ulong first = ref MemoryMarshal.GetReference(words);
        Vector512<ulong> total = default;
        for (int at = 0; at < words.Length;)
        {
            int end = Math.Min(words.Length, at + (RegistersPerSum * Vector512<ulong>.Count));
            Vector512<byte> counts = default;
            for (; at < end; at += Vector512<ulong>.Count)
            {
                Vector512<byte> bytes = Vector512.LoadUnsafe(ref first, (nuint)at).AsByte();
                counts += Avx512BW.Shuffle(ones, bytes & nibble) + Avx512BW.Shuffle(ones, (bytes.AsUInt16() >>> 4).AsByte() & nibble);
            }

            total += Avx512BW.SumAbsoluteDifferences(counts, Vector512<byte>.Zero).AsUInt64();
        }

        int sum = 0;
        for (int lane = 0; lane < Vector512<ulong>.Count; lane++)
        {
            int plane = lane % format.Bits, count = (int)total[lane] << plane;
            sum += format.Signed && plane == format.Bits - 1 ? -count : count;
        }

        return sum;
    }

    // Lane j collects byte j of all planes, the highest first, as the transposition wants them.
    private static byte[] CreateColumns()
    {
        byte[] order = new byte[GroupLayout.BlockSize];
        for (int i = 0; i < order.Length; i++)
        {
            order[i] = (byte)(((7 - (i % 8)) * 8) + (i / 8));
        }

        return order;
    }
}
