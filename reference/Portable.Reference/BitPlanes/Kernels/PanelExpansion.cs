using System.Runtime.CompilerServices;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>
/// Expands bit planes of some channels into a panel of byte (or word) codes that a register-tiled loop reads in order.
/// </summary>
/// <remarks>
/// <para>Eight planes p0 … p7 of a block are eight 64-bit words. Three rounds of masked swaps between the words exchange the
/// plane index with the low three bits of the column: afterwards word i holds, in byte j, the code of column 8j + i. No byte
/// moves, so four or eight channels go through at once, one per 64-bit lane. Columns are therefore multiplied in the order
/// 0, 8, 16, …, 56, 1, 9, …; activations are permuted to match (<see cref="ColumnOrder"/>).</para>
/// <code>
/// panel[step][channel] : 32 bits.  step = 16 × block + 2i + h → bytes: columns 8(4h) + i, 8(4h+1) + i, 8(4h+2) + i, 8(4h+3) + i
/// words: steps 2 × that, + 0: bytes 0 and 2 as 16-bit integers, + 1: bytes 1 and 3
/// </code>
/// </remarks>
internal static unsafe class PanelExpansion<TLanes, U>
    where TLanes : struct, IWordLanes<U>
    where U : struct
{
    /// <summary>Expands consecutive blocks of as many channels as there are lanes.</summary>
    /// <param name="channels">The first word of each channel.</param>
    /// <param name="blocks">Blocks of 64 columns.</param>
    /// <param name="bits">Planes.</param>
    /// <param name="flip">XORed into every code: the top plane's bit where the weights are shifted.</param>
    /// <param name="asWords">Two 16-bit codes per lane and step instead of four bytes.</param>
    /// <param name="panel">Where the first channel's lane of the first step goes.</param>
    /// <param name="stepLanes">Channels of a step.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Expand(ulong** channels, int blocks, int bits, byte flip, bool asWords, int* panel, long stepLanes)
    {
        U flips = TLanes.Broadcast(flip * 0x0101010101010101ul), nibbles = TLanes.Broadcast(0x0F0F0F0F0F0F0F0Ful);
        U pairs = TLanes.Broadcast(0x3333333333333333ul), ones = TLanes.Broadcast(0x5555555555555555ul), bytes = TLanes.Broadcast(0x00FF00FF00FF00FFul);
        long offset = 0;
        for (int block = 0; block < blocks; block++, offset += bits)
        {
            U p0 = TLanes.Gather(channels, offset);
            U p1 = bits > 1 ? TLanes.Gather(channels, offset + 1) : default;
            U p2 = bits > 2 ? TLanes.Gather(channels, offset + 2) : default;
            U p3 = bits > 3 ? TLanes.Gather(channels, offset + 3) : default;
            U p4 = bits > 4 ? TLanes.Gather(channels, offset + 4) : default;
            U p5 = bits > 5 ? TLanes.Gather(channels, offset + 5) : default;
            U p6 = bits > 6 ? TLanes.Gather(channels, offset + 6) : default;
            U p7 = bits > 7 ? TLanes.Gather(channels, offset + 7) : default;
            Swap(ref p0, ref p4, nibbles, 4);
            Swap(ref p1, ref p5, nibbles, 4);
            Swap(ref p2, ref p6, nibbles, 4);
            Swap(ref p3, ref p7, nibbles, 4);
            Swap(ref p0, ref p2, pairs, 2);
            Swap(ref p1, ref p3, pairs, 2);
            Swap(ref p4, ref p6, pairs, 2);
            Swap(ref p5, ref p7, pairs, 2);
            Swap(ref p0, ref p1, ones, 1);
            Swap(ref p2, ref p3, ones, 1);
            Swap(ref p4, ref p5, ones, 1);
            Swap(ref p6, ref p7, ones, 1);
            if (asWords)
            {
                panel = StoreWords(TLanes.Xor(p0, flips), bytes, panel, stepLanes);
                panel = StoreWords(TLanes.Xor(p1, flips), bytes, panel, stepLanes);
                panel = StoreWords(TLanes.Xor(p2, flips), bytes, panel, stepLanes);
                panel = StoreWords(TLanes.Xor(p3, flips), bytes, panel, stepLanes);
                panel = StoreWords(TLanes.Xor(p4, flips), bytes, panel, stepLanes);
                panel = StoreWords(TLanes.Xor(p5, flips), bytes, panel, stepLanes);
                panel = StoreWords(TLanes.Xor(p6, flips), bytes, panel, stepLanes);
                panel = StoreWords(TLanes.Xor(p7, flips), bytes, panel, stepLanes);
            }
            else
            {
                panel = StoreBytes(TLanes.Xor(p0, flips), panel, stepLanes);
                panel = StoreBytes(TLanes.Xor(p1, flips), panel, stepLanes);
                panel = StoreBytes(TLanes.Xor(p2, flips), panel, stepLanes);
                panel = StoreBytes(TLanes.Xor(p3, flips), panel, stepLanes);
                panel = StoreBytes(TLanes.Xor(p4, flips), panel, stepLanes);
                panel = StoreBytes(TLanes.Xor(p5, flips), panel, stepLanes);
                panel = StoreBytes(TLanes.Xor(p6, flips), panel, stepLanes);
                panel = StoreBytes(TLanes.Xor(p7, flips), panel, stepLanes);
            }
        }
    }

    // Exchanges the bits of `low` at positions with the bit `shift` set with those of `high` where it is clear.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Swap(ref U low, ref U high, U mask, int shift)
    {
        U a = low, b = high;
        low = TLanes.Select(mask, a, TLanes.ShiftLeft(b, shift));
        high = TLanes.Select(mask, TLanes.ShiftRight(a, shift), b);
    }

    // Eight codes of every channel: the low dwords are one step, the high dwords the next.
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int* StoreBytes(U codes, int* panel, long stepLanes)
    {
        TLanes.StoreHalves(codes, panel, panel + stepLanes);
        return panel + 2 * stepLanes;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int* StoreWords(U codes, U bytes, int* panel, long stepLanes)
    {
        TLanes.StoreHalves(TLanes.And(codes, bytes), panel, panel + 2 * stepLanes);
        TLanes.StoreHalves(TLanes.And(TLanes.ShiftRight(codes, 8), bytes), panel + stepLanes, panel + 3 * stepLanes);
        return panel + 4 * stepLanes;
    }
}
