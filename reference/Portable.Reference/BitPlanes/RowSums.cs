using System.Numerics;
using System.Runtime.CompilerServices;

namespace Portable.Reference.BitPlanes;

/// <summary>Σ of the codes of a row in each group, from its planes.</summary>
internal static class RowSums
{
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
            int sum = 0;
            for (int end = layout.EndBlock(group) * bits; at < end;)
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
}
