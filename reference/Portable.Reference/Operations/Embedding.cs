using Portable.Reference.Arithmetic;

namespace Portable.Reference.Operations;

/// <summary>Rows of a table, converted to canonical f32.</summary>
internal static class Embedding
{
    /// <summary>output[r] = table[rows[r]].</summary>
    /// <param name="table">Little-endian elements, any number of rows × <paramref name="columns"/>.</param>
    /// <param name="type">Element type.</param>
    /// <param name="columns">Columns of the table.</param>
    /// <param name="rows">Row numbers within the table.</param>
    /// <param name="output">rows × columns.</param>
    public static void Lookup(ReadOnlySpan<byte> table, ElementType type, int columns, ReadOnlySpan<int> rows, Span<float> output)
    {
        for (int r = 0; r < rows.Length; r++)
        {
            ElementConversion.ToSingle(Row(table, type, columns, rows[r]), type, output.Slice(r * columns, columns));
        }
    }

    /// <summary>x = canonical(x · scale), elementwise.</summary>
    /// <param name="x">Values, changed in place.</param>
    /// <param name="scale">An architecture's factor of its embeddings.</param>
    public static void Scale(Span<float> x, float scale)
    {
        for (int i = 0; i < x.Length; i++)
        {
            x[i] = Contract.Canonical(x[i] * scale);
        }
    }

    /// <summary>x[r] = canonical(x[r] + table[rows[r]]): OPT's learned positions.</summary>
    /// <param name="table">Little-endian elements, any number of rows × <paramref name="columns"/>.</param>
    /// <param name="type">Element type.</param>
    /// <param name="columns">Columns of the table.</param>
    /// <param name="rows">Row numbers within the table.</param>
    /// <param name="x">rows × columns, changed in place.</param>
    public static void Add(ReadOnlySpan<byte> table, ElementType type, int columns, ReadOnlySpan<int> rows, Span<float> x)
    {
        float[] converted = new float[columns];
        for (int r = 0; r < rows.Length; r++)
        {
            ElementConversion.ToSingle(Row(table, type, columns, rows[r]), type, converted);
            Span<float> row = x.Slice(r * columns, columns);
            Residual.Add(row, converted, row);
        }
    }

    private static ReadOnlySpan<byte> Row(ReadOnlySpan<byte> table, ElementType type, int columns, int row)
    {
        int stride = columns * ElementConversion.SizeOf(type);
        long offset = (long)row * stride;
        if (row < 0 || offset + stride > table.Length)
        {
            throw new ArgumentOutOfRangeException(nameof(row), row, $"The table has {table.Length / stride} rows.");
        }

        return table.Slice((int)offset, stride);
    }
}
