using System.Runtime.InteropServices;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;

namespace Portable.Models;

/// <summary>Gain, and for LayerNorm also bias, of a normalisation.</summary>
/// <param name="Gain">Hidden-size values.</param>
/// <param name="Bias">LayerNorm's bias, or null for RMSNorm.</param>
internal sealed record NormWeights(float[] Gain, float[]? Bias);

/// <summary>One linear layer of a block: float, or quantized.</summary>
internal sealed record LinearWeights
{
    /// <summary>Module name in the checkpoint, without ".weight" (model.layers.0.self_attn.q_proj).</summary>
    public required string Name { get; init; }

    /// <summary>Float weights N×K, or null when quantized.</summary>
    public FloatTable? Float { get; init; }

    /// <summary>Bias of the float layer, or null.</summary>
    public float[]? Bias { get; init; }

    /// <summary>The quantized layer (with its own bias), or null when float.</summary>
    public QuantizedLinear? Quantized { get; init; }

    /// <summary>The scheme of a quantized layer as text (W6A8g128), or null.</summary>
    public string? Scheme { get; init; }

    /// <summary>The float layer with weights and bias multiplied, in single precision.</summary>
    /// <param name="factor">1 changes nothing.</param>
    public LinearWeights Scaled(float factor)
    {
        if (factor == 1)
        {
            return this;
        }

        float[] values = new float[checked(Float!.Rows * Float.Columns)];
        ElementConversion.ToSingle(Float.Data.Span, Float.Type, values);
        for (int i = 0; i < values.Length; i++)
        {
            values[i] *= factor;
        }

        return this with { Float = new FloatTable(Float.Rows, Float.Columns, ElementType.Float32, MemoryMarshal.AsBytes(values.AsSpan()).ToArray()), Bias = Bias is null ? null : [.. Bias.Select(b => b * factor)] };
    }

    /// <summary>N.</summary>
    public int OutputFeatures => Float?.Rows ?? Quantized!.OutputFeatures;
}

/// <summary>
/// A model that can be read part by part, so that no reader ever holds more than one block of it: a Hugging Face
/// checkpoint, a Portable checkpoint, or synthetic weights.
/// </summary>
internal interface IModelSource : IDisposable
{
    /// <summary>Shape of the model.</summary>
    ModelConfig Config { get; }

    /// <summary>Bits of the KV cache: 2…8 and 16 quantized per token and head, 32 for an unquantized model.</summary>
    int KeyValueBits { get; }

    /// <summary>Token embedding, vocabulary × hidden.</summary>
    TableWeights LoadEmbedding();

    /// <summary>Learned positions, (positions + offset) × hidden, or null.</summary>
    FloatTable? LoadPositions();

    /// <summary>One block.</summary>
    BlockWeights LoadBlock(int index);

    /// <summary>Norm before the head.</summary>
    NormWeights LoadFinalNorm();

    /// <summary>Head, vocabulary × hidden, or null where it is the embedding.</summary>
    TableWeights? LoadHead();
}
