using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>
/// Expands bit planes of some channels into a panel of byte (or word) codes that a register-tiled loop reads in order.
/// </summary>
/// <remarks>
/// <para>Eight planes p0 … p7 of a block are eight 64-bit words. Three rounds of masked swaps between the words exchange the
/// plane index with the low three bits of the column: afterwards word i holds, in byte j, the code of column 8j + i. No byte
/// moves, so four channels go through at once, one per 64-bit lane. Columns are therefore multiplied in the order
/// 0, 8, 16, …, 56, 1, 9, …; activations are permuted to match (<see cref="ColumnOrder"/>).</para>
/// <code>
/// panel[step][channel] : 32 bits.  step = 16 × block + 2i + h → bytes: columns 8(4h) + i, 8(4h+1) + i, 8(4h+2) + i, 8(4h+3) + i
/// words: steps 2 × that, + 0: bytes 0 and 2 as 16-bit integers, + 1: bytes 1 and 3
/// </code>
/// </remarks>
internal static unsafe class PanelExpansion
{
    /// <summary>Expands consecutive blocks of four channels.</summary>
    /// <param name="channels">The first word of each of the four channels.</param>
    /// <param name="blocks">Blocks of 64 columns.</param>
    /// <param name="bits">Planes.</param>
    /// <param name="flip">XORed into every code: the top plane's bit where the weights are shifted.</param>
    /// <param name="asWords">Two 16-bit codes per lane and step instead of four bytes.</param>
    /// <param name="panel">Where the first channel's lane of the first step goes.</param>
    /// <param name="stepLanes">Channels of a step.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Expand(ulong** channels, int blocks, int bits, byte flip, bool asWords, int* panel, int stepLanes)
    {
        ulong* a = channels[0], b = channels[1], c = channels[2], d = channels[3];
        Vector256<ulong> flips = Vector256.Create(flip).AsUInt64();
        int size = (asWords ? 4 : 2) * stepLanes;
        for (int block = 0; block < blocks; block++, a += bits, b += bits, c += bits, d += bits, panel += 8 * size)
        {
            Vector256<ulong> p0 = Vector256.Create(a[0], b[0], c[0], d[0]);
            Vector256<ulong> p1 = bits > 1 ? Vector256.Create(a[1], b[1], c[1], d[1]) : default;
            Vector256<ulong> p2 = bits > 2 ? Vector256.Create(a[2], b[2], c[2], d[2]) : default;
            Vector256<ulong> p3 = bits > 3 ? Vector256.Create(a[3], b[3], c[3], d[3]) : default;
            Vector256<ulong> p4 = bits > 4 ? Vector256.Create(a[4], b[4], c[4], d[4]) : default;
            Vector256<ulong> p5 = bits > 5 ? Vector256.Create(a[5], b[5], c[5], d[5]) : default;
            Vector256<ulong> p6 = bits > 6 ? Vector256.Create(a[6], b[6], c[6], d[6]) : default;
            Vector256<ulong> p7 = bits > 7 ? Vector256.Create(a[7], b[7], c[7], d[7]) : default;

            Vector256<ulong> mask = Vector256.Create(0x0F0F0F0F0F0F0F0Ful);
            if (bits > 4)
            {
                Swap(ref p0, ref p4, mask, 4);
                Swap(ref p1, ref p5, mask, 4);
                Swap(ref p2, ref p6, mask, 4);
                Swap(ref p3, ref p7, mask, 4);
            }
            else
            {
                (p4, p5, p6, p7) = ((p0 >> 4) & mask, (p1 >> 4) & mask, (p2 >> 4) & mask, (p3 >> 4) & mask);
                (p0, p1, p2, p3) = (p0 & mask, p1 & mask, p2 & mask, p3 & mask);
            }

            mask = Vector256.Create(0x3333333333333333ul);
            Swap(ref p0, ref p2, mask, 2);
            Swap(ref p1, ref p3, mask, 2);
            Swap(ref p4, ref p6, mask, 2);
            Swap(ref p5, ref p7, mask, 2);
            mask = Vector256.Create(0x5555555555555555ul);
            Swap(ref p0, ref p1, mask, 1);
            Swap(ref p2, ref p3, mask, 1);
            Swap(ref p4, ref p5, mask, 1);
            Swap(ref p6, ref p7, mask, 1);

            Store(p0 ^ flips, panel, stepLanes, asWords);
            Store(p1 ^ flips, panel + size, stepLanes, asWords);
            Store(p2 ^ flips, panel + 2 * size, stepLanes, asWords);
            Store(p3 ^ flips, panel + 3 * size, stepLanes, asWords);
            Store(p4 ^ flips, panel + 4 * size, stepLanes, asWords);
            Store(p5 ^ flips, panel + 5 * size, stepLanes, asWords);
            Store(p6 ^ flips, panel + 6 * size, stepLanes, asWords);
            Store(p7 ^ flips, panel + 7 * size, stepLanes, asWords);
        }
    }

    // Exchanges the bits of `low` at positions with the bit `shift` set with those of `high` where it is clear.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Swap(ref Vector256<ulong> low, ref Vector256<ulong> high, Vector256<ulong> mask, int shift)
    {
        Vector256<ulong> a = low, b = high;
        low = Vector256.ConditionalSelect(mask, a, b << shift);
        high = Vector256.ConditionalSelect(mask, a >>> shift, b);
    }

    // Eight codes of four channels: the low dwords are one step, the high dwords the next.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Store(Vector256<ulong> codes, int* panel, int stepLanes, bool asWords)
    {
        if (!asWords)
        {
            StoreHalves(codes, panel, panel + stepLanes);
            return;
        }

        Vector256<ulong> low = Vector256.Create(0x00FF00FF00FF00FFul);
        StoreHalves(codes & low, panel, panel + 2 * stepLanes);
        StoreHalves((codes >>> 8) & low, panel + stepLanes, panel + 3 * stepLanes);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void StoreHalves(Vector256<ulong> codes, int* low, int* high)
    {
        Vector256<int> sorted = Vector256.Shuffle(codes.AsInt32(), Vector256.Create(0, 2, 4, 6, 1, 3, 5, 7));
        sorted.GetLower().Store(low);
        sorted.GetUpper().Store(high);
    }
}
