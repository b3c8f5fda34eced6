using Portable.Reference.Arithmetic;

namespace Portable.Models;

/// <summary>
/// A row-major float matrix in the checkpoint's own element type: an embedding, a head, or unquantized weights. One block of
/// memory ends at 2 GiB, so a larger table lies in several pieces of whole rows.
/// </summary>
internal sealed class FloatTable
{
    private readonly ReadOnlyMemory<byte>[] _pieces;

    /// <summary>A table in one piece.</summary>
    /// <param name="rows">Rows (vocabulary, positions, or output features).</param>
    /// <param name="columns">Columns.</param>
    /// <param name="type">Element type.</param>
    /// <param name="data">Little-endian elements, rows × columns.</param>
    public FloatTable(int rows, int columns, ElementType type, ReadOnlyMemory<byte> data)
        : this(rows, columns, type, rows, [data])
    {
    }

    /// <summary>A table in pieces.</summary>
    /// <param name="rows">Rows of all pieces.</param>
    /// <param name="columns">Columns.</param>
    /// <param name="type">Element type.</param>
    /// <param name="pieceRows">Rows of every piece but the last, which holds what is left.</param>
    /// <param name="pieces">Little-endian elements, row after row.</param>
    public FloatTable(int rows, int columns, ElementType type, int pieceRows, ReadOnlyMemory<byte>[] pieces) =>
        (Rows, Columns, Type, PieceRows, _pieces) = (rows, columns, type, pieceRows, pieces);

    /// <summary>Rows.</summary>
    public int Rows { get; }

    /// <summary>Columns.</summary>
    public int Columns { get; }

    /// <summary>Element type.</summary>
    public ElementType Type { get; }

    /// <summary>Bytes of all elements.</summary>
    public long Bytes => (long)Rows * Columns * ElementConversion.SizeOf(Type);

    /// <summary>Rows of every piece but the last.</summary>
    public int PieceRows { get; }

    /// <summary>The pieces as tables of their own, each with its first row.</summary>
    public IEnumerable<(int FirstRow, FloatTable Piece)> Pieces => _pieces.Select((_, i) => (i * PieceRows, Piece(i)));

    /// <summary>The elements of a table in one piece.</summary>
    /// <exception cref="InvalidOperationException">It lies in several.</exception>
    public ReadOnlyMemory<byte> Data => _pieces is [var whole]
        ? whole
        : throw new InvalidOperationException($"A table of {Rows}×{Columns} elements ({Bytes} bytes) lies in {_pieces.Length} pieces.");

    /// <summary>The piece that holds a row, with its first row.</summary>
    public (int FirstRow, FloatTable Piece) PieceOf(int row) => (row / PieceRows * PieceRows, Piece(row / PieceRows));

    /// <summary>Some of the rows of a table in one piece, in place.</summary>
    public FloatTable Slice(int first, int rows)
    {
        int stride = Columns * ElementConversion.SizeOf(Type);
        return new FloatTable(rows, Columns, Type, Data.Slice(checked(first * stride), rows * stride));
    }

    private FloatTable Piece(int index) =>
        _pieces.Length == 1 ? this : new FloatTable(Math.Min(PieceRows, Rows - (index * PieceRows)), Columns, Type, _pieces[index]);
}
