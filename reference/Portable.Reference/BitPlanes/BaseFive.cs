using System.Buffers;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Portable.Reference.BitPlanes;

/// <summary>
/// Rows of codes 0…4 (W2*) in base 5, three in seven bits, t = c₀ + 5·c₁ + 25·c₂ ≤ 124: the columns of a row, without padding, make a
/// little-endian bit string that ends at a whole byte; columns behind the last are 0. 2.375 bits per weight at K = 128.
/// </summary>
internal static class BaseFive
{
    /// <summary>Bytes behind a row that are read with it.</summary>
    public const int Slack = 8;

    /// <summary>Columns of a triple.</summary>
    public const int TripleColumns = 3;

    /// <summary>Bits of a triple.</summary>
    public const int TripleBits = 7;

    // A triple to three bits of each plane: at bits 0, 20 and 40, so that four triples fit side by side, each shifted by three
    // bits more; 125…127 are no triples and set a bit above all of them.
    private const int PlaneStride = 20;
    private const ulong Invalid = 1UL << 52, AnyInvalid = ~0UL << 52, FourTriples = 0xFFF;

    private static readonly ulong[] Decode = CreateDecode();

    /// <summary>The codes' format where they are planes.</summary>
    public static CodeFormat Format => new(3, signed: false);

    /// <summary>Bytes of a row.</summary>
    public static long RowBytes(int columns) => (((columns + TripleColumns - 1) / TripleColumns * (long)TripleBits) + 7) / 8;

    /// <summary>Packs a row.</summary>
    /// <param name="words">Its planes.</param>
    /// <param name="blocks">Columns of its blocks.</param>
    /// <param name="row">Receives its bytes.</param>
    /// <exception cref="ArgumentException">A code is above 4.</exception>
    public static void Pack(ReadOnlySpan<ulong> words, RowBlocks blocks, Span<byte> row)
    {
        if (Bmi2.X64.IsSupported && blocks.Columns == GroupLayout.BlockSize * blocks.Widths.Length)
        {
            PackRun(words, blocks.Columns, row);
            return;
        }

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

    /// <summary>The same of blocks without padding, eight triples at a time: three bits of a plane go into each byte of a word.</summary>
    private static void PackRun(ReadOnlySpan<ulong> words, int columns, Span<byte> row)
    {
        const ulong Lowest = 0x0101010101010101, Three = 7 * Lowest, Seven = 127 * Lowest;
        const int Columns = 24, Bytes = 7;
        Span<byte> eight = stackalloc byte[sizeof(ulong)];
        for (int column = 0; column < columns; column += Columns, row = row[Math.Min(Bytes, row.Length)..])
        {
            int left = columns - column, index = column / GroupLayout.BlockSize * Format.Bits, shift = column % GroupLayout.BlockSize;
            ulong triples = 0, ones = 0;
            for (int plane = 0; plane < Format.Bits; plane++, index++)
            {
                ulong bits = words[index] >> shift;
                bits |= shift + Columns > GroupLayout.BlockSize && left > GroupLayout.BlockSize - shift ? words[index + Format.Bits] << (GroupLayout.BlockSize - shift) : 0;
                ulong spread = Bmi2.X64.ParallelBitDeposit(bits, Three);
                if (plane == 2 && (spread & ones) != 0)
                {
                    throw new ArgumentException($"A code of columns {column} … is not one of the five levels 0…4.");
                }

                ones |= spread;
                triples += ((spread & Lowest) + (5 * ((spread >> 1) & Lowest)) + (25 * ((spread >> 2) & Lowest))) << plane;
            }

            BinaryPrimitives.WriteUInt64LittleEndian(eight, Bmi2.X64.ParallelBitExtract(triples, Seven));
            eight[..Math.Min(Bytes, row.Length)].CopyTo(row);
        }
    }

    /// <summary>Unpacks a row.</summary>
    /// <param name="bytes">The row, and at least <see cref="Slack"/> bytes of anything behind it.</param>
    /// <param name="rowBytes">Bytes of the row.</param>
    /// <param name="blocks">Columns of its blocks.</param>
    /// <param name="words">Receives its planes.</param>
    /// <returns>False where the bytes are none that <see cref="Pack"/> writes.</returns>
    public static bool Unpack(ReadOnlySpan<byte> bytes, int rowBytes, RowBlocks blocks, Span<ulong> words)
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
        if (Avx512Vbmi.IsSupported)
        {
            return BaseFiveUnits.Unpack(bytes, rowBytes, run);
        }

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
