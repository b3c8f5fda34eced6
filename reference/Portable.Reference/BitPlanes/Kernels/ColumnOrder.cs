using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>The order in which <see cref="PanelExpansion{TLanes, U}"/> leaves the 64 columns of a block: an 8×8 transposition.</summary>
internal static unsafe class ColumnOrder
{
    private static readonly Vector512<byte> Indices = Vector512.Create(CreateIndices());

    /// <summary>destination[8i + j] = source[8j + i] − <paramref name="offset"/>, for one block of digits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Transpose(byte* source, byte* destination, byte offset)
    {
        if (Avx512Vbmi.IsSupported)
        {
            Vector512<byte> codes = Vector512.Load(source) - Vector512.Create(offset);
            Avx512Vbmi.PermuteVar64x8(codes, Indices).Store(destination);
            return;
        }

        // Masked swaps of bytes between 64-bit words, as the panel does with bits.
        ulong* from = (ulong*)source, to = (ulong*)destination;
        ulong r0 = from[0], r1 = from[1], r2 = from[2], r3 = from[3], r4 = from[4], r5 = from[5], r6 = from[6], r7 = from[7];
        Swap(ref r0, ref r4, 0x00000000FFFFFFFF, 32);
        Swap(ref r1, ref r5, 0x00000000FFFFFFFF, 32);
        Swap(ref r2, ref r6, 0x00000000FFFFFFFF, 32);
        Swap(ref r3, ref r7, 0x00000000FFFFFFFF, 32);
        Swap(ref r0, ref r2, 0x0000FFFF0000FFFF, 16);
        Swap(ref r1, ref r3, 0x0000FFFF0000FFFF, 16);
        Swap(ref r4, ref r6, 0x0000FFFF0000FFFF, 16);
        Swap(ref r5, ref r7, 0x0000FFFF0000FFFF, 16);
        Swap(ref r0, ref r1, 0x00FF00FF00FF00FF, 8);
        Swap(ref r2, ref r3, 0x00FF00FF00FF00FF, 8);
        Swap(ref r4, ref r5, 0x00FF00FF00FF00FF, 8);
        Swap(ref r6, ref r7, 0x00FF00FF00FF00FF, 8);
        (to[0], to[1], to[2], to[3], to[4], to[5], to[6], to[7]) = (r0, r1, r2, r3, r4, r5, r6, r7);
        if (offset != 0)
        {
            for (int i = 0; i < GroupLayout.BlockSize; i++)
            {
                destination[i] -= offset;
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Swap(ref ulong low, ref ulong high, ulong mask, int shift)
    {
        ulong a = low, b = high;
        low = (a & mask) | ((b & mask) << shift);
        high = ((a >> shift) & mask) | (b & ~mask);
    }

    private static byte[] CreateIndices()
    {
        byte[] indices = new byte[GroupLayout.BlockSize];
        for (int i = 0; i < indices.Length; i++)
        {
            indices[i] = (byte)(i % 8 * 8 + i / 8);
        }

        return indices;
    }
}
