namespace Portable.Reference.BitPlanes;

/// <summary>
/// An N×K matrix of codes stored as bit planes: the packed weights of a linear layer.
/// </summary>
/// <remarks>
/// <para>A row is a sequence of blocks of 64 codes (<see cref="GroupLayout"/>); a block is one 64-bit word per plane, lowest plane first:</para>
/// <code>
/// words[(row × blocks + block) × bits + plane],   bit c of the word = bit `plane` of the code at padded column 64 × block + c
///
/// bits = 3:   | p0 p1 p2 | p0 p1 p2 | p0 p1 p2 | …      one row; each cell 64 bits, each | … | one block
/// </code>
/// <para>All planes of a block are adjacent, so one stream of memory feeds every evaluation: AND + popcount per plane, or an
/// 8×8 bit transposition into bytes. On a GPU the same memory is read as pairs of 32-bit words (low half first).</para>
/// </remarks>
public sealed class BitPlaneMatrix
{
    private readonly Lock _counting = new();
    private readonly ReadOnlyMemory<ulong> _words;
    private int[]? _rowSums;

    /// <summary>Wraps packed words.</summary>
    /// <param name="rows">N ≥ 1.</param>
    /// <param name="layout">Columns, groups and blocks.</param>
    /// <param name="format">1…8 bits.</param>
    /// <param name="words">rows × blocks × bits words in the layout above, in an array or in a mapped file; padding bits are 0.</param>
    /// <param name="rowSums">Σ of the codes of each row and group, [row × groups + group].</param>
    /// <exception cref="ArgumentException">The lengths do not match, or the format has 16 bits.</exception>
    public BitPlaneMatrix(int rows, GroupLayout layout, CodeFormat format, ReadOnlyMemory<ulong> words, int[] rowSums)
        : this(rows, layout, format, words)
    {
        ArgumentNullException.ThrowIfNull(rowSums);
        if (rowSums.Length != rows * layout.Groups)
        {
            throw new ArgumentException($"{rowSums.Length} row sums do not fit {rows}×{layout.Columns} {format}.");
        }

        _rowSums = rowSums;
    }

    /// <summary>Wraps packed words whose row sums are counted when first asked for: activations without zero points and offsets never do.</summary>
    /// <param name="rows">N ≥ 1.</param>
    /// <param name="layout">Columns, groups and blocks.</param>
    /// <param name="format">1…8 bits.</param>
    /// <param name="words">rows × blocks × bits words in the layout above; padding bits are 0.</param>
    internal BitPlaneMatrix(int rows, GroupLayout layout, CodeFormat format, ReadOnlyMemory<ulong> words)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        if (format.Bits > 8)
        {
            throw new ArgumentException("Weights have at most 8 bits.", nameof(format));
        }

        if (words.Length != WordCount(rows, layout, format))
        {
            throw new ArgumentException($"{words.Length} words do not fit {rows}×{layout.Columns} {format}.");
        }

        (Rows, Layout, Format, _words) = (rows, layout, format, words);
    }

    /// <summary>Wraps codes 0…4 in base five.</summary>
    /// <param name="layout">K, one group.</param>
    /// <param name="rows">The rows.</param>
    internal BitPlaneMatrix(GroupLayout layout, BaseFiveRows rows) => (Rows, Layout, Format, BaseFive) = (rows.Rows, layout, BitPlanes.BaseFive.Format, rows);

    /// <summary>N.</summary>
    public int Rows { get; }

    /// <summary>K and its cut into groups and blocks.</summary>
    public GroupLayout Layout { get; }

    /// <summary>K.</summary>
    public int Columns => Layout.Columns;

    /// <summary>Width and signedness of the codes.</summary>
    public CodeFormat Format { get; }

    /// <summary>The planes; see the layout above. Made anew by each call where memory has the codes in base five.</summary>
    public ReadOnlyMemory<ulong> Words => BaseFive is null ? _words : Unpacked(BaseFive);

    /// <summary>The rows where memory has them in base five in place of planes, else null.</summary>
    internal BaseFiveRows? BaseFive { get; }

    /// <summary>Bytes of the codes in memory.</summary>
    internal long Bytes => BaseFive is { } rows ? rows.Bytes.Length : (long)sizeof(ulong) * _words.Length;

    /// <summary>Σ_k code[row, k] over each group, [row × groups + group].</summary>
    public int[] RowSums => Volatile.Read(ref _rowSums) ?? CountRows();

    /// <summary>Words of one row.</summary>
    public int RowWords => Layout.Blocks * Format.Bits;

    /// <summary>The planes of some rows: in place, or unpacked.</summary>
    /// <param name="firstRow">The first.</param>
    /// <param name="rows">How many.</param>
    /// <param name="room">Room for their words; empty is enough where memory has planes.</param>
    internal ReadOnlySpan<ulong> ReadRows(int firstRow, int rows, Span<ulong> room)
    {
        if (BaseFive is null)
        {
            return _words.Span.Slice(firstRow * RowWords, rows * RowWords);
        }

        Span<ulong> words = room[..(rows * RowWords)];
        BaseFive.Unpack(firstRow, rows, words);
        return words;
    }

    /// <summary>Words of a matrix of this shape.</summary>
    public static int WordCount(int rows, GroupLayout layout, CodeFormat format) => checked(rows * layout.Blocks * format.Bits);

    private ulong[] Unpacked(BaseFiveRows rows)
    {
        ulong[] words = new ulong[WordCount(Rows, Layout, Format)];
        rows.Unpack(0, Rows, words);
        return words;
    }

    private int[] CountRows()
    {
        lock (_counting)
        {
            if (_rowSums is null)
            {
                Volatile.Write(ref _rowSums, BitPlanes.RowSums.Count(this));
            }

            return _rowSums;
        }
    }
}
