using Portable.Checkpoints.Format;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;

namespace Portable.Quantization.Runs;

/// <summary>Embedding and head under the H part of a scheme: the same for every method.</summary>
internal static class TableQuantization
{
    /// <summary>The tables of a float model as a scheme has them: as they are under H16, else embedding and head quantized.</summary>
    /// <param name="tables">The float model's.</param>
    /// <param name="names">The model.</param>
    /// <param name="scheme">The scheme.</param>
    /// <param name="scales">What scales are rounded to.</param>
    /// <returns>The tables, and a report for each that was quantized.</returns>
    public static (ModelTables Tables, IReadOnlyList<LayerReport> Reports) Quantized(this ModelTables tables, ModelNames names, QuantizationScheme scheme, ScaleFormat scales)
    {
        if (scheme.Table is not { } widths)
        {
            return (tables, []);
        }

        List<LayerReport> reports = [];
        TableWeights Quantize(TableWeights table, LinearName name)
        {
            TableWeights quantized = table.Quantized(scheme.HeadBits, scales, out double error);
            reports.Add(new LayerReport(name.Name, widths.ToString(), LayerReporter.SensibleDigits(error), null, new Dictionary<string, double>()));
            return quantized;
        }

        TableWeights embedding = Quantize(tables.Embedding, names.EmbeddingTable);
        return (tables with { Embedding = embedding, Head = tables.Head is { } head ? Quantize(head, names.HeadTable) : null }, reports);
    }

    /// <summary>Quantizes a table of floats.</summary>
    /// <param name="table">The table.</param>
    /// <param name="bits">Bits of a code, 2…8.</param>
    /// <param name="scales">What scales are rounded to.</param>
    /// <param name="error">‖Ŵ−W‖/‖W‖.</param>
    public static TableWeights Quantized(this TableWeights table, int bits, ScaleFormat scales, out double error)
    {
        FloatTable floats = table.Float ?? throw new InvalidOperationException("The table is already quantized.");
        int rowBytes = floats.Columns * ElementConversion.SizeOf(floats.Type);
        return new TableWeights(TableQuantizer.Quantize(floats.Rows, floats.Columns, bits, scales, (row, values) =>
        {
            (int first, FloatTable piece) = floats.PieceOf(row);
            ElementConversion.ToSingle(piece.Data.Span.Slice(checked((row - first) * rowBytes), rowBytes), piece.Type, values);
        }, out error));
    }
}
