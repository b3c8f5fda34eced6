using Portable.Reference.BitPlanes;

namespace Portable.Checkpoints;

/// <summary>
/// W2*: codes 0…4 in base 5, three in seven bits, t = c₀ + 5·c₁ + 25·c₂ ≤ 124. The columns of a row, without padding, make a
/// little-endian bit string that ends at a whole byte: 2.375 bits per weight at K = 128. In memory they are three planes.
/// </summary>
internal sealed class FiveLevelStore : CodeStore
{
    private const uint Invalid = 1u << 31;

    // Two triples at a time: 14 bits to six bits of each plane, at 0, 8 and 16.
    private static readonly uint[] Decode = CreateDecode();

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

    protected override bool UnpackRow(ReadOnlySpan<byte> row, RowBlocks blocks, int bits, Span<ulong> words)
    {
        int block = 0, width = blocks.Widths[0], fill = 0;
        ulong a0 = 0, a1 = 0, a2 = 0;
        uint stray = 0;
        long end = row.Length * 8L;
        for (long at = 0; at < end; at += 14)
        {
            uint entry = Decode[Get14(row, at)];
            stray |= entry & Invalid;
            uint v0 = entry & 63, v1 = (entry >> 8) & 63, v2 = (entry >> 16) & 63;
            for (int left = 6; left > 0;)
            {
                if (block == blocks.Widths.Length)
                {
                    stray |= v0 | v1 | v2; // Behind the last column only zeros are written.
                    break;
                }

                int take = Math.Min(left, width - fill);
                ulong mask = RowBlocks.Mask(take);
                a0 |= (v0 & mask) << fill;
                a1 |= (v1 & mask) << fill;
                a2 |= (v2 & mask) << fill;
                (v0, v1, v2, left, fill) = (v0 >> take, v1 >> take, v2 >> take, left - take, fill + take);
                if (fill == width)
                {
                    (words[3 * block], words[3 * block + 1], words[3 * block + 2]) = (a0, a1, a2);
                    (a0, a1, a2, fill) = (0, 0, 0, 0);
                    width = ++block < blocks.Widths.Length ? blocks.Widths[block] : 0;
                }
            }
        }

        return stray == 0;
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

    /// <summary>14 bits from a bit position; bits behind the end are 0.</summary>
    private static int Get14(ReadOnlySpan<byte> row, long at)
    {
        int index = (int)(at >> 3), value = row[index];
        if (index + 2 < row.Length)
        {
            value |= row[index + 1] << 8 | row[index + 2] << 16;
        }
        else if (index + 1 < row.Length)
        {
            value |= row[index + 1] << 8;
        }

        return (value >> (int)(at & 7)) & 0x3FFF;
    }

    private static uint[] CreateDecode()
    {
        uint[] table = new uint[1 << 14];
        for (int i = 0; i < table.Length; i++)
        {
            int low = i & 127, high = i >> 7;
            if (low >= 125 || high >= 125)
            {
                table[i] = Invalid;
                continue;
            }

            for (int k = 0; k < 6; k++)
            {
                int code = k < 3 ? low % 5 : high % 5;
                (low, high) = k < 3 ? (low / 5, high) : (low, high / 5);
                table[i] |= (uint)((code & 1) | ((code >> 1) & 1) << 8 | (code >> 2) << 16) << k;
            }
        }

        return table;
    }
}
