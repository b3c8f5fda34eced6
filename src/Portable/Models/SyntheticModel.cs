using System.Runtime.InteropServices;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;

namespace Portable.Models;

/// <summary>
/// A model of a given shape with random quantized weights: as large and as fast as a real one, and as silly as it gets. The
/// weights of every block are its own, so that no cache makes it faster than a real model.
/// </summary>
/// <param name="config">The shape.</param>
/// <param name="scheme">The scheme of every linear. With groups, weights and activations are symmetric and share them (as FlexQ does); otherwise weights are asymmetric per channel and activations symmetric per token.</param>
/// <param name="seed">Seed of the weights.</param>
internal sealed class SyntheticModel(ModelConfig config, QuantizationScheme scheme, int seed = 0) : IModelSource
{
    /// <inheritdoc/>
    public ModelConfig Config => config;

    /// <inheritdoc/>
    public int KeyValueBits => scheme.KeyValueBits;

    /// <inheritdoc/>
    public FloatTable LoadEmbedding() => CreateTable(config.VocabularySize, 1);

    /// <inheritdoc/>
    public FloatTable? LoadPositions() => config.Family == ModelFamily.Opt ? CreateTable(config.MaximumPositions + config.PositionOffset, 2) : null;

    /// <inheritdoc/>
    public FloatTable? LoadHead() => config.TiedEmbeddings ? null : CreateTable(config.VocabularySize, 3);

    /// <inheritdoc/>
    public NormWeights LoadFinalNorm() => CreateNorm();

    /// <inheritdoc/>
    public BlockWeights LoadBlock(int index)
    {
        bool opt = config.Family == ModelFamily.Opt;
        string prefix = opt ? $"model.decoder.layers.{index}." : $"model.layers.{index}.", mlp = opt ? prefix : prefix + "mlp.";
        ulong part = 0;
        LinearWeights Linear(string name, int rows, int columns) => CreateLinear(name, rows, columns, Start((ulong)index + 1, part++));
        return new BlockWeights
        {
            AttentionNorm = CreateNorm(),
            Query = Linear(prefix + "self_attn.q_proj", config.QueryWidth, config.HiddenSize),
            Key = Linear(prefix + "self_attn.k_proj", config.KeyValueWidth, config.HiddenSize),
            Value = Linear(prefix + "self_attn.v_proj", config.KeyValueWidth, config.HiddenSize),
            Output = Linear(prefix + (opt ? "self_attn.out_proj" : "self_attn.o_proj"), config.HiddenSize, config.QueryWidth),
            MlpNorm = CreateNorm(),
            Gate = opt ? null : Linear(mlp + "gate_proj", config.IntermediateSize, config.HiddenSize),
            Up = Linear(mlp + (opt ? "fc1" : "up_proj"), config.IntermediateSize, config.HiddenSize),
            Down = Linear(mlp + (opt ? "fc2" : "down_proj"), config.HiddenSize, config.IntermediateSize),
        };
    }

    /// <inheritdoc/>
    public void Dispose()
    {
    }

    /// <summary>The first counter of a part: parts lie 2^52 words apart, seeds and blocks further.</summary>
    private ulong Start(ulong block, ulong part) => ((ulong)(uint)seed * 0xD1342543DE82EF95) + (block << 56) + (part << 52);

    private LinearWeights CreateLinear(string name, int rows, int columns, ulong start) => new()
    {
        Name = name,
        Quantized = SyntheticLinear.Create(rows, columns, scheme, start, config.Family == ModelFamily.Opt ? new float[rows] : null),
        Scheme = scheme.Layer.ToString(),
    };

    private FloatTable CreateTable(int rows, ulong part)
    {
        byte[] data = new byte[checked(2 * rows * config.HiddenSize)];
        SyntheticLinear.Fill(MemoryMarshal.Cast<byte, ulong>(data.AsSpan()), Start(0, part));
        for (int i = 1; i < data.Length; i += 2)
        {
            // Random sign and mantissa, exponent 2^-6: halves of magnitude 0.016 … 0.031.
            data[i] = (byte)((data[i] & 0x83) | 0x24);
        }

        return new FloatTable(rows, config.HiddenSize, ElementType.Float16, data);
    }

    private NormWeights CreateNorm()
    {
        float[] gain = new float[config.HiddenSize];
        Array.Fill(gain, 1f);
        return new NormWeights(gain, config.Family == ModelFamily.Opt ? new float[config.HiddenSize] : null);
    }
}
