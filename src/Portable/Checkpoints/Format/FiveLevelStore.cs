using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using Portable.Reference.BitPlanes;

namespace Portable.Checkpoints.Format;

/// <summary>
/// W2*: codes 0…4 in base 5, three in seven bits, t = c₀ + 5·c₁ + 25·c₂ ≤ 124. The columns of a row, without padding, make a
/// little-endian bit string that ends at a whole byte: 2.375 bits per weight at K = 128. In memory they are three planes.
/// </summary>
internal sealed class FiveLevelStore : CodeStore
{
    // A triple to three bits of each plane: at bits 0, 20 and 40, so that four triples fit side by side, each shifted by three
    // bits more; 125…127 are no triples and set a bit above all of them.
    private const int PlaneStride = 20;
    private const ulong Invalid = 1UL << 52, AnyInvalid = ~0UL << 52, FourTriples = 0xFFF;

    private static readonly ulong[] Decode = CreateDecode();

    public override string Name => "base5";

    public override long RowBytes(GroupLayout layout, CodeFormat format) => ((layout.Columns + 2) / 3 * 7L + 7) / 8;

    protected override void PackRow(ReadOnlySpan<ulong> words, RowBlocks blocks, int bits, Span<byte> row)
    {
        row.Clear();
        int triple = 0, digit = 1;
        long at = 0;
        for (int block = 0; block < blocks.Widths.Length; block++)
        {
            (ulong p0, ulong p1, ulong p2) = (words[3 * block], words[3 * block + 1], words[3 * block + 2]);
            for (int i = 0; i < blocks.Widths[block]; i++)
            {
                int code = (int)((p0 >> i) & 1 | ((p1 >> i) & 1) << 1 | ((p2 >> i) & 1) << 2);
                if (code > 4)
                {
                    throw new ArgumentException($"Code {code} is not one of the five levels 0…4.");
                }

                triple += digit * code;
                digit *= 5;
                if (digit == 125)
                {
                    Put(row, at, triple);
                    (triple, digit, at) = (0, 1, at + 7);
                }
            }
        }

        if (digit > 1)
        {
            Put(row, at, triple);
        }
    }

    protected override bool UnpackRow(ReadOnlySpan<byte> bytes, int rowBytes, RowBlocks blocks, int bits, Span<ulong> words)
    {
        if (blocks.Columns == 64 * blocks.Widths.Length)
        {
            return UnpackRun(bytes, rowBytes, words);
        }

        // As one run of bits without padding, then cut into blocks; a word behind the end serves the last cut.
        int length = 3 * ((blocks.Columns + 63) / 64);
        ulong[] run = ArrayPool<ulong>.Shared.Rent(length + 3);
        try
        {
            run.AsSpan(length, 3).Clear();
            bool valid = UnpackRun(bytes, rowBytes, run.AsSpan(0, length));
            int column = 0, index = 0;
            foreach (int width in blocks.Widths)
            {
                for (int plane = 0; plane < 3; plane++)
                {
                    words[index++] = Bits(run, plane, column) & RowBlocks.Mask(width);
                }

                column += width;
            }

            // Behind the last column only zeros are written.
            ulong stray = column % 64 == 0 ? 0 : Bits(run, 0, column) | Bits(run, 1, column) | Bits(run, 2, column);
            return valid && stray == 0;
        }
        finally
        {
            ArrayPool<ulong>.Shared.Return(run);
        }
    }

    /// <summary>Three planes of 64 columns at a time, without padding; seven bytes are eight triples, 24 columns.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static bool UnpackRun(ReadOnlySpan<byte> bytes, int rowBytes, Span<ulong> run)
    {
        ulong a0 = 0, a1 = 0, a2 = 0, invalid = 0;
        int fill = 0, word = 0;
        ReadOnlySpan<ulong> decode = Decode;
        for (int at = 0; at < rowBytes; at += 7)
        {
            ulong v = BinaryPrimitives.ReadUInt64LittleEndian(bytes[at..]) & RowBlocks.Mask(8 * Math.Min(7, rowBytes - at));
            ulong low = decode[(int)v & 127] | decode[(int)(v >> 7) & 127] << 3 | decode[(int)(v >> 14) & 127] << 6 | decode[(int)(v >> 21) & 127] << 9;
            ulong high = decode[(int)(v >> 28) & 127] | decode[(int)(v >> 35) & 127] << 3 | decode[(int)(v >> 42) & 127] << 6 | decode[(int)(v >> 49) & 127] << 9;
            invalid |= low | high;
            ulong v0 = (low & FourTriples) | (high & FourTriples) << 12;
            ulong v1 = (low >> PlaneStride & FourTriples) | (high >> PlaneStride & FourTriples) << 12;
            ulong v2 = (low >> (2 * PlaneStride) & FourTriples) | (high >> (2 * PlaneStride) & FourTriples) << 12;
            a0 |= v0 << fill;
            a1 |= v1 << fill;
            a2 |= v2 << fill;
            fill += 24;
            if (fill >= 64)
            {
                (run[word], run[word + 1], run[word + 2]) = (a0, a1, a2);
                word += 3;
                fill -= 64;
                (a0, a1, a2) = (v0 >> (24 - fill), v1 >> (24 - fill), v2 >> (24 - fill));
            }
        }

        if (word < run.Length)
        {
            (run[word], run[word + 1], run[word + 2]) = (a0, a1, a2);
            (a0, a1, a2) = (0, 0, 0);
        }

        return (invalid & AnyInvalid) == 0 && (a0 | a1 | a2) == 0;
    }

    /// <summary>64 bits of a plane of a run from a column on.</summary>
    private static ulong Bits(ReadOnlySpan<ulong> run, int plane, int column)
    {
        int index = (column / 64 * 3) + plane, shift = column % 64;
        return shift == 0 ? run[index] : run[index] >> shift | run[index + 3] << (64 - shift);
    }

    private static void Put(Span<byte> row, long at, int triple)
    {
        int value = triple << (int)(at & 7), index = (int)(at >> 3);
        row[index] |= (byte)value;
        if (value > 255)
        {
            row[index + 1] |= (byte)(value >> 8);
        }
    }

    private static ulong[] CreateDecode()
    {
        ulong[] table = new ulong[128];
        for (int triple = 0; triple < 128; triple++)
        {
            int rest = triple;
            for (int k = 0; k < 3; k++, rest /= 5)
            {
                for (int plane = 0; plane < 3; plane++)
                {
                    table[triple] |= (ulong)((rest % 5 >> plane) & 1) << ((PlaneStride * plane) + k);
                }
            }

            table[triple] |= triple < 125 ? 0 : Invalid;
        }

        return table;
    }
}
