using System.Collections;
using System.Buffers.Binary;
using System.Runtime.CompilerServices;

namespace Portable.Reference.Quantization;

/// <summary>
/// The zero points of a matrix of weights, packed: those of a row are one string of fields, lowest bit first, that ends at a whole
/// byte; [n × scale groups + group] counts them. One scale group a row: a byte a row.
/// </summary>
public sealed class ZeroPoints : IReadOnlyList<byte>
{
    // Fields are read two bytes at a time, and rows of one group eight at a time.
    internal const int Slack = 8;

    private readonly ReadOnlyMemory<byte> _padded;

    private ZeroPoints(ReadOnlyMemory<byte> padded, int rows, int groups, int bits) => (_padded, Rows, Groups, Bits) = (padded, rows, groups, bits);

    /// <summary>N.</summary>
    public int Rows { get; }

    /// <summary>Zero points of a row.</summary>
    public int Groups { get; }

    /// <summary>Bits of a field, 1…8.</summary>
    public int Bits { get; }

    /// <summary>Bytes of a row.</summary>
    public int RowBytes => BytesOf(Groups, Bits);

    /// <inheritdoc/>
    public int Count => Rows * Groups;

    /// <summary>The rows, one behind the other.</summary>
    public ReadOnlySpan<byte> Bytes => _padded.Span[..(Rows * RowBytes)];

    /// <summary>The rows with some readable bytes behind them.</summary>
    internal ReadOnlySpan<byte> Padded => _padded.Span;

    /// <inheritdoc/>
    public byte this[int index] => this[index / Groups, index % Groups];

    /// <summary>The zero point of a row and scale group.</summary>
    public byte this[int row, int group]
    {
        get
        {
            int bit = group * Bits;
            return (byte)((BinaryPrimitives.ReadUInt16LittleEndian(_padded.Span[(row * RowBytes + (bit >> 3))..]) >> (bit & 7)) & ((1 << Bits) - 1));
        }
    }

    /// <summary>Zero points, one a byte; <see cref="QuantizedLinear"/> packs them.</summary>
    public static implicit operator ZeroPoints?(byte[]? values) => values is null ? null : Pack(values, values.Length, 1, 8);

    /// <summary>Bytes of a row.</summary>
    public static int BytesOf(int groups, int bits) => (groups * bits + 7) / 8;

    /// <summary>Packs values.</summary>
    /// <param name="values">rows × groups.</param>
    /// <param name="rows">N.</param>
    /// <param name="groups">Zero points of a row.</param>
    /// <param name="bits">Bits of a field.</param>
    /// <exception cref="ArgumentException">There are not so many, or one does not fit a field.</exception>
    public static ZeroPoints Pack(IReadOnlyList<byte> values, int rows, int groups, int bits)
    {
        ArgumentNullException.ThrowIfNull(values);
        if (values.Count != (long)rows * groups)
        {
            throw new ArgumentException($"{values.Count} zero points are not {rows}×{groups}.", nameof(values));
        }

        int rowBytes = BytesOf(groups, bits), i = 0;
        byte[] padded = new byte[rows * rowBytes + Slack];
        for (int row = 0; row < rows; row++)
        {
            for (int bit = 0; bit < groups * bits; bit += bits, i++)
            {
                if (values[i] >> bits != 0)
                {
                    throw new ArgumentException($"The zero point {values[i]} does not fit {bits} bits.", nameof(values));
                }

                Span<byte> field = padded.AsSpan(row * rowBytes + (bit >> 3));
                BinaryPrimitives.WriteUInt16LittleEndian(field, (ushort)(BinaryPrimitives.ReadUInt16LittleEndian(field) | (values[i] << (bit & 7))));
            }
        }

        return new ZeroPoints(padded, rows, groups, bits);
    }

    /// <summary>Takes rows that are packed already.</summary>
    /// <param name="bytes">rows × bytes of a row; bits behind the last field 0.</param>
    /// <param name="rows">N.</param>
    /// <param name="groups">Zero points of a row.</param>
    /// <param name="bits">Bits of a field.</param>
    public static ZeroPoints FromPacked(ReadOnlySpan<byte> bytes, int rows, int groups, int bits)
    {
        byte[] padded = new byte[rows * BytesOf(groups, bits) + Slack];
        bytes.CopyTo(padded);
        return new ZeroPoints(padded, rows, groups, bits);
    }

    /// <summary>Takes rows that are packed already where they lie.</summary>
    /// <param name="padded">The rows, and <see cref="Slack"/> bytes of anything behind them; they do not change.</param>
    /// <param name="rows">N.</param>
    /// <param name="groups">Zero points of a row.</param>
    /// <param name="bits">Bits of a field.</param>
    internal static ZeroPoints InPlace(ReadOnlyMemory<byte> padded, int rows, int groups, int bits) =>
        padded.Length == rows * BytesOf(groups, bits) + Slack ? new ZeroPoints(padded, rows, groups, bits) : throw new ArgumentException($"{padded.Length} bytes are not {rows} rows and {Slack}.", nameof(padded));

    /// <summary>The first row with a zero point above a value, or bits behind its last; −1 where there is none.</summary>
    /// <param name="largest">At most what a field holds.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal int FirstRowAbove(int largest)
    {
        ReadOnlySpan<byte> rows = Bytes;
        if (Groups == 1)
        {
            return rows.IndexOfAnyExceptInRange((byte)0, (byte)largest);
        }

        int bits = Bits, most = (1 << bits) - 1, used = Groups * bits, rowBytes = RowBytes;
        ReadOnlySpan<byte> fields = _padded.Span;
        for (int row = 0; (largest < most || used % 8 != 0) && row < Rows; row++, fields = fields[rowBytes..])
        {
            bool above = used % 8 != 0 && fields[rowBytes - 1] >> (used % 8) != 0;
            for (int bit = 0; largest < most && bit < used; bit += bits)
            {
                above |= ((BinaryPrimitives.ReadUInt16LittleEndian(fields[(bit >> 3)..]) >> (bit & 7)) & most) > largest;
            }

            if (above)
            {
                return row;
            }
        }

        return -1;
    }

    /// <summary>The same in fields of other sizes.</summary>
    internal ZeroPoints Repacked(int rows, int groups, int bits) => (Rows, Groups, Bits) == (rows, groups, bits) ? this : Pack(this, rows, groups, bits);

    /// <inheritdoc/>
    public IEnumerator<byte> GetEnumerator()
    {
        for (int i = 0; i < Count; i++)
        {
            yield return this[i];
        }
    }

    /// <inheritdoc/>
    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}
