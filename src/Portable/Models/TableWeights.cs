using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;

namespace Portable.Models;

/// <summary>
/// A table of the vocabulary, embedding or head or both: floats as the checkpoint has them, or codes that an embedding reads row by
/// row (scale · (code − zero point)) and a head multiplies with 8-bit activations.
/// </summary>
internal sealed class TableWeights
{
    /// <summary>A table of floats.</summary>
    public TableWeights(FloatTable table) => Float = table;

    /// <summary>A table of codes: one scale and zero point a row, no bias.</summary>
    public TableWeights(QuantizedLinear table) => Quantized = table;

    /// <summary>The floats, or null.</summary>
    public FloatTable? Float { get; }

    /// <summary>The codes, or null.</summary>
    public QuantizedLinear? Quantized { get; }

    /// <summary>Rows: the vocabulary.</summary>
    public int Rows => Float?.Rows ?? Quantized!.OutputFeatures;

    /// <summary>Columns: the width of the residual stream.</summary>
    public int Columns => Float?.Columns ?? Quantized!.Weights.Columns;

    /// <summary>Bytes in memory.</summary>
    public long Bytes => Float?.Bytes ?? Quantized!.Bytes;
}

/// <summary>What a model has beside its blocks.</summary>
/// <param name="Embedding">Token embedding, and the head where there is no other.</param>
/// <param name="Positions">Learned positions, or null.</param>
/// <param name="FinalNorm">The norm before the head.</param>
/// <param name="Head">The head, or null where it is the embedding.</param>
/// <param name="Type">Element type of the checkpoint's tables; norms are stored in it where nothing is lost.</param>
internal sealed record ModelTables(TableWeights Embedding, FloatTable? Positions, NormWeights FinalNorm, TableWeights? Head, ElementType Type)
{
    /// <summary>Those of a float model.</summary>
    public static ModelTables Of(IModelSource source)
    {
        TableWeights embedding = source.LoadEmbedding();
        return new ModelTables(embedding, source.LoadPositions(), source.LoadFinalNorm(), source.LoadHead(), embedding.Float!.Type);
    }
}
