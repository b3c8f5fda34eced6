using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.BitPlanes;

/// <summary>Σ of the codes of a row in each group, from its planes.</summary>
internal static class RowSums
{
    // Registers whose counts of bits (at most 8 a byte) a byte holds.
    private const int RegistersPerSum = 31;

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
            if (Avx512BW.IsSupported && BitOperations.IsPow2(bits))
            {
                int whole = (end - at) / Vector512<ulong>.Count * Vector512<ulong>.Count;
                sum = CountRegisters(words.Slice(at, whole), format);
                at += whole;
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
}
