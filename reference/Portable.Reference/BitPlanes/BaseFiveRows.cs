using Portable.Reference.Threading;

namespace Portable.Reference.BitPlanes;

/// <summary>
/// The codes of a matrix as <see cref="BaseFive"/> has them, in an array or in a mapped file: fewer bytes than planes, for kernels that read
/// them (<see cref="MatmulKernel.ReadsBaseFive"/>). For others rows become planes as they are needed.
/// </summary>
internal sealed class BaseFiveRows
{
    private readonly RowBlocks _blocks;

    /// <summary>Wraps rows that hold nothing but triples.</summary>
    /// <param name="rows">N ≥ 1.</param>
    /// <param name="layout">K, one group.</param>
    /// <param name="bytes">N rows.</param>
    /// <exception cref="ArgumentException">There are groups, or the length does not match.</exception>
    public BaseFiveRows(int rows, GroupLayout layout, ReadOnlyMemory<byte> bytes)
    {
        RowBytes = checked((int)BaseFive.RowBytes(layout.Columns));
        if (layout.Groups != 1 || bytes.Length != (long)rows * RowBytes)
        {
            throw new ArgumentException($"{bytes.Length} bytes in base five do not fit {rows}×{layout.Columns} in {layout.Groups} groups.");
        }

        (Rows, Bytes, _blocks) = (rows, bytes, new RowBlocks(layout));
    }

    /// <summary>N.</summary>
    public int Rows { get; }

    /// <summary>Bytes of a row.</summary>
    public int RowBytes { get; }

    /// <summary>All rows.</summary>
    public ReadOnlyMemory<byte> Bytes { get; }

    /// <summary>Whether this process keeps weights of a layout so: where registers expand them as fast as planes.</summary>
    public static bool IsWorthwhile(GroupLayout layout) => BaseFiveUnits.IsSupported && layout.Groups == 1;

    /// <summary>The same codes as planes have.</summary>
    /// <exception cref="ArgumentException">A code is above 4, or there are groups.</exception>
    public static BitPlaneMatrix Pack(BitPlaneMatrix matrix)
    {
        int rowBytes = checked((int)BaseFive.RowBytes(matrix.Columns));
        byte[] bytes = new byte[(long)matrix.Rows * rowBytes];
        RowBlocks blocks = new(matrix.Layout);
        ReadOnlyMemory<ulong> words = matrix.Words;
        WorkerPool.Run(matrix.Rows, row => BaseFive.Pack(words.Span.Slice(row * matrix.RowWords, matrix.RowWords), blocks, bytes.AsSpan(row * rowBytes, rowBytes)));
        return new BitPlaneMatrix(matrix.Layout, new BaseFiveRows(matrix.Rows, matrix.Layout, bytes));
    }

    /// <summary>Some rows as planes.</summary>
    /// <param name="firstRow">The first.</param>
    /// <param name="rows">How many.</param>
    /// <param name="words">Receives their words.</param>
    public void Unpack(int firstRow, int rows, Span<ulong> words)
    {
        ReadOnlySpan<byte> bytes = Bytes.Span;
        int rowWords = _blocks.Widths.Length * BaseFive.Format.Bits;
        for (int row = firstRow; row < firstRow + rows; row++, words = words[rowWords..])
        {
            int at = row * RowBytes;
            if (bytes.Length - at >= RowBytes + BaseFive.Slack)
            {
                BaseFive.Unpack(bytes[at..], RowBytes, _blocks, words[..rowWords]);
                continue;
            }

            byte[] copy = new byte[RowBytes + BaseFive.Slack];
            bytes.Slice(at, RowBytes).CopyTo(copy);
            BaseFive.Unpack(copy, RowBytes, _blocks, words[..rowWords]);
        }
    }
}
