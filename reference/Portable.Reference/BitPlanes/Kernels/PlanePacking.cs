using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.BitPlanes.Kernels;

/// <summary>Activation bytes to planes: words[block × bits + plane], the order of <see cref="BitPlaneMatrix"/>.</summary>
internal static unsafe class PlanePacking
{
    /// <summary>Packs blocks of 64 digits.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Pack(byte* codes, int blocks, int bits, ulong* words)
    {
        for (int block = 0; block < blocks; block++, codes += GroupLayout.BlockSize)
        {
            for (int plane = 0; plane < bits; plane++)
            {
                *words++ = Plane(codes, plane);
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static ulong Plane(byte* codes, int plane)
    {
        // The plane's bit becomes each byte's sign; signs are gathered by one instruction per register.
        int shift = 7 - plane;
        if (Vector512.IsHardwareAccelerated)
        {
            return (Vector512.Load((ushort*)codes) << shift).AsByte().ExtractMostSignificantBits();
        }

        if (Vector128.IsHardwareAccelerated)
        {
            ulong word = 0;
            for (int i = 0; i < GroupLayout.BlockSize; i += Vector128<byte>.Count)
            {
                word |= (ulong)(Vector128.Load((ushort*)(codes + i)) << shift).AsByte().ExtractMostSignificantBits() << i;
            }

            return word;
        }

        ulong gathered = 0;
        for (int i = 0; i < GroupLayout.BlockSize; i += 8)
        {
            // Eight bits, one per byte, multiplied into the top byte.
            ulong bitsOfEight = (*(ulong*)(codes + i) >> plane) & 0x0101010101010101;
            gathered |= (bitsOfEight * 0x0102040810204080) >> 56 << i;
        }

        return gathered;
    }
}
