using Portable.Reference.Threading;

namespace Portable.Reference.BitPlanes;

/// <summary>Packs codes into bit planes, with the row sums on the way, and back.</summary>
public static class BitPacking
{
    /// <summary>Packs a row-major matrix of codes.</summary>
    /// <param name="codes">rows × layout.Columns codes, each within <paramref name="format"/>.</param>
    /// <param name="rows">N ≥ 1.</param>
    /// <param name="layout">Groups and blocks of the columns.</param>
    /// <param name="format">1…8 bits.</param>
    /// <exception cref="ArgumentException">Wrong length, or a code that the format does not hold.</exception>
    public static BitPlaneMatrix Pack(ReadOnlySpan<short> codes, int rows, GroupLayout layout, CodeFormat format)
    {
        if (codes.Length != (long)rows * layout.Columns)
        {
            throw new ArgumentException($"{codes.Length} codes are not {rows}×{layout.Columns}.", nameof(codes));
        }

        ulong[] words = new ulong[BitPlaneMatrix.WordCount(rows, layout, format)];
        int[] sums = new int[rows * layout.Groups];
        unsafe
        {
            fixed (short* p = codes)
            {
                short* all = p;
                WorkerPool.Run(rows, row => PackRow(
                    new ReadOnlySpan<short>(all + (long)row * layout.Columns, layout.Columns), row, layout, format,
                    words.AsSpan(row * layout.Blocks * format.Bits, layout.Blocks * format.Bits), sums.AsSpan(row * layout.Groups, layout.Groups)));
            }
        }

        return new BitPlaneMatrix(rows, layout, format, words, sums);
    }

    /// <summary>Unpacks to a row-major matrix of codes.</summary>
    /// <param name="matrix">The planes.</param>
    /// <param name="codes">Rows × columns codes.</param>
    public static void Unpack(BitPlaneMatrix matrix, Span<short> codes)
    {
        ArgumentNullException.ThrowIfNull(matrix);
        GroupLayout layout = matrix.Layout;
        if (codes.Length != (long)matrix.Rows * layout.Columns)
        {
            throw new ArgumentException($"{codes.Length} codes are not {matrix.Rows}×{layout.Columns}.", nameof(codes));
        }

        unsafe
        {
            fixed (short* p = codes)
            {
                short* all = p;
                WorkerPool.Run(matrix.Rows, row => UnpackRow(matrix, row, new Span<short>(all + (long)row * layout.Columns, layout.Columns)));
            }
        }
    }

    /// <summary>Unpacks one row of a matrix.</summary>
    internal static void UnpackRow(BitPlaneMatrix matrix, int row, Span<short> codes)
    {
        GroupLayout layout = matrix.Layout;
        int bits = matrix.Format.Bits, sign = matrix.Format.Signed ? 1 << (bits - 1) : 0;
        ReadOnlySpan<ulong> words = matrix.ReadRows(row, 1, matrix.BaseFive is null ? [] : new ulong[matrix.RowWords]);
        Span<byte> block = stackalloc byte[GroupLayout.BlockSize];
        for (int group = 0; group < layout.Groups; group++)
        {
            Span<short> target = codes.Slice(layout.FirstColumn(group), layout.ColumnsIn(group));
            for (int index = layout.FirstBlock(group); target.Length > 0; index++)
            {
                PlanePacking.Unpack(words.Slice(index * bits, bits), block);
                int count = Math.Min(GroupLayout.BlockSize, target.Length);
                for (int i = 0; i < count; i++)
                {
                    // (c ^ sign) − sign extends the sign.
                    target[i] = (short)((block[i] ^ sign) - sign);
                }

                target = target[count..];
            }
        }
    }

    /// <summary>Packs one row: its words, and the sum of each of its groups.</summary>
    internal static void PackRow(ReadOnlySpan<short> codes, int row, GroupLayout layout, CodeFormat format, Span<ulong> words, Span<int> sums)
    {
        int bits = format.Bits;
        Span<byte> digits = stackalloc byte[GroupLayout.BlockSize];
        for (int group = 0; group < layout.Groups; group++)
        {
            ReadOnlySpan<short> source = codes.Slice(layout.FirstColumn(group), layout.ColumnsIn(group));
            int sum = 0;
            for (int block = layout.FirstBlock(group); source.Length > 0; block++)
            {
                int count = Math.Min(GroupLayout.BlockSize, source.Length), outside = 0;
                digits.Clear();
                for (int i = 0; i < count; i++)
                {
                    int code = source[i];
                    outside |= (code - format.Minimum) | (format.Maximum - code);
                    sum += code;
                    digits[i] = (byte)code;
                }

                if (outside < 0)
                {
                    Refuse(source[..count], row, format);
                }

                PlanePacking.Pack(digits, words.Slice(block * bits, bits));
                source = source[count..];
            }

            sums[group] = sum;
        }
    }

    private static void Refuse(ReadOnlySpan<short> codes, int row, CodeFormat format)
    {
        foreach (short code in codes)
        {
            if (code < format.Minimum || code > format.Maximum)
            {
                throw new ArgumentException($"Code {code} in row {row} is outside {format.Minimum}…{format.Maximum} ({format}).");
            }
        }
    }
}
