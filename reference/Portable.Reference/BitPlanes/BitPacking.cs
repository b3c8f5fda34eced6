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
        GroupLayout layout = matrix.Layout;
        if (codes.Length != (long)matrix.Rows * layout.Columns)
        {
            throw new ArgumentException($"{codes.Length} codes are not {matrix.Rows}×{layout.Columns}.", nameof(codes));
        }

        int bits = matrix.Format.Bits, shift = 32 - bits;
        for (int row = 0; row < matrix.Rows; row++)
        {
            ReadOnlySpan<ulong> words = matrix.Words.AsSpan(row * matrix.RowWords, matrix.RowWords);
            for (int column = 0; column < layout.Columns; column++)
            {
                int padded = layout.PaddedIndex(column), block = padded / GroupLayout.BlockSize, bit = padded % GroupLayout.BlockSize;
                int code = 0;
                for (int plane = 0; plane < bits; plane++)
                {
                    code |= (int)((words[block * bits + plane] >> bit) & 1) << plane;
                }

                codes[row * layout.Columns + column] = (short)(matrix.Format.Signed ? code << shift >> shift : code);
            }
        }
    }

    private static void PackRow(ReadOnlySpan<short> codes, int row, GroupLayout layout, CodeFormat format, Span<ulong> words, Span<int> sums)
    {
        int bits = format.Bits;
        Span<ulong> planes = stackalloc ulong[8];
        for (int group = 0; group < layout.Groups; group++)
        {
            ReadOnlySpan<short> source = codes.Slice(layout.FirstColumn(group), layout.ColumnsIn(group));
            int sum = 0, block = layout.FirstBlock(group);
            while (source.Length > 0)
            {
                int count = Math.Min(GroupLayout.BlockSize, source.Length);
                planes.Clear();
                for (int i = 0; i < count; i++)
                {
                    int code = source[i];
                    if (code < format.Minimum || code > format.Maximum)
                    {
                        throw new ArgumentException($"Code {code} in row {row} is outside {format.Minimum}…{format.Maximum} ({format}).");
                    }

                    sum += code;
                    for (int plane = 0; plane < bits; plane++)
                    {
                        planes[plane] |= (ulong)(uint)((code >> plane) & 1) << i;
                    }
                }

                planes[..bits].CopyTo(words[(block * bits)..]);
                source = source[count..];
                block++;
            }

            sums[group] = sum;
        }
    }
}
