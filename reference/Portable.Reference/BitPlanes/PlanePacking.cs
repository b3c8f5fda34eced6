using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.BitPlanes;

/// <summary>Bytes to planes, words[block × bits + plane] as in <see cref="BitPlaneMatrix"/>, and back.</summary>
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

    /// <summary>Packs one block of 64 digits into one word per plane.</summary>
    public static void Pack(ReadOnlySpan<byte> codes, Span<ulong> words)
    {
        fixed (byte* source = codes[..GroupLayout.BlockSize])
        {
            for (int plane = 0; plane < words.Length; plane++)
            {
                words[plane] = Plane(source, plane);
            }
        }
    }

    /// <summary>Unpacks one block: one word per plane to 64 unsigned codes.</summary>
    public static void Unpack(ReadOnlySpan<ulong> words, Span<byte> codes)
    {
        for (int column = 0; column < GroupLayout.BlockSize; column += 8)
        {
            // Byte p of the matrix is plane p; its transpose has the code of column i in byte i.
            ulong bits = 0;
            for (int plane = 0; plane < words.Length; plane++)
            {
                bits |= ((words[plane] >> column) & 0xFF) << (8 * plane);
            }

            BinaryPrimitives.WriteUInt64LittleEndian(codes[column..], Transpose(bits));
        }
    }

    // 8×8 bits: masked swaps of 1, 2 and 4.
    private static ulong Transpose(ulong bits)
    {
        ulong swap = (bits ^ (bits >> 7)) & 0x00AA00AA00AA00AA;
        bits ^= swap ^ (swap << 7);
        swap = (bits ^ (bits >> 14)) & 0x0000CCCC0000CCCC;
        bits ^= swap ^ (swap << 14);
        swap = (bits ^ (bits >> 28)) & 0x00000000F0F0F0F0;
        return bits ^ swap ^ (swap << 28);
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
