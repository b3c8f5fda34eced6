using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;

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

    /// <summary>output[k] = fl(fl(code[row, k] − zero point) · scale): the levels of a row, exact products of an integer of at most 8 bits and a scale, rounded once.</summary>
    /// <param name="table">Codes with one scale and zero point a row.</param>
    /// <param name="row">The row.</param>
    /// <param name="output">Its columns.</param>
    public static unsafe void Lookup(QuantizedLinear table, int row, Span<float> output)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(row);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(row, table.OutputFeatures);
        const int CodeSlot = 3;
        Span<short> codes = new(Scratch.Get<short>(CodeSlot, table.Weights.Columns), table.Weights.Columns);
        BitPacking.UnpackRow(table.Weights, row, codes);
        int zero = table.ZeroPoints?[row] ?? 0;
        float scale = table.Scales[row];
        for (int k = 0; k < codes.Length; k++)
        {
            // At least 2^-24 or +0: canonical as it is.
            output[k] = (codes[k] - zero) * scale;
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
