using System.Runtime.InteropServices;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;

namespace Portable.Tests.Support;

/// <summary>A small model with seeded random weights, quantized layer by layer with a function of the layer's name.</summary>
internal sealed class RandomModel : IModelSource
{
    private readonly int _seed;
    private readonly Func<string, float[], int, int, float[]?, (QuantizedLinear Layer, string Scheme)>? _quantize;

    public RandomModel(ModelConfig config, int keyValueBits, int seed, Func<string, float[], int, int, float[]?, (QuantizedLinear Layer, string Scheme)>? quantize)
    {
        (Config, KeyValueBits, _seed, _quantize) = (config, keyValueBits, seed, quantize);
    }

    public ModelConfig Config { get; }

    public int KeyValueBits { get; }

    public static ModelConfig Llama(int heads = 4, int keyValueHeads = 2) => new()
    {
        Family = ModelFamily.Llama,
        ModelType = "llama",
        HiddenSize = heads * 16,
        IntermediateSize = 152,
        Layers = 2,
        Heads = heads,
        KeyValueHeads = keyValueHeads,
        HeadSize = 16,
        VocabularySize = 97,
        MaximumPositions = 160,
        NormEpsilon = 1e-5f,
    };

    public static ModelConfig Opt() => Llama(4, 4) with { Family = ModelFamily.Opt, ModelType = "opt" };

    /// <summary>Round-to-nearest under one scheme.</summary>
    public static RandomModel RoundToNearest(ModelConfig config, string scheme, int seed)
    {
        QuantizationScheme parsed = QuantizationScheme.Parse(scheme);
        return new RandomModel(config, parsed.KeyValueBits, seed, (_, w, n, k, bias) =>
            (Reference.Quantization.RoundToNearest.Quantize(w, n, k, bias, parsed), parsed.Layer.ToString()));
    }

    public FloatTable LoadEmbedding() => Table("embedding", Config.VocabularySize, Config.HiddenSize, ElementType.Float16, 1);

    public FloatTable? LoadPositions() =>
        Config.Family == ModelFamily.Opt ? Table("positions", Config.MaximumPositions + Config.PositionOffset, Config.HiddenSize, ElementType.Float16, 0.3) : null;

    public FloatTable? LoadHead() => Table("head", Config.VocabularySize, Config.HiddenSize, ElementType.BFloat16, 0.3);

    public NormWeights LoadFinalNorm() => Norm("final");

    public BlockWeights LoadBlock(int index)
    {
        bool opt = Config.Family == ModelFamily.Opt;
        string prefix = $"blocks.{index}.";
        return new BlockWeights
        {
            AttentionNorm = Norm(prefix + "attention_norm"),
            Query = Linear(prefix + "q", Config.QueryWidth, Config.HiddenSize, opt),
            Key = Linear(prefix + "k", Config.KeyValueWidth, Config.HiddenSize, opt),
            Value = Linear(prefix + "v", Config.KeyValueWidth, Config.HiddenSize, opt),
            Output = Linear(prefix + "o", Config.HiddenSize, Config.QueryWidth, opt),
            MlpNorm = Norm(prefix + "mlp_norm"),
            Gate = opt ? null : Linear(prefix + "gate", Config.IntermediateSize, Config.HiddenSize, false),
            Up = Linear(prefix + "up", Config.IntermediateSize, Config.HiddenSize, opt),
            Down = Linear(prefix + "down", Config.HiddenSize, Config.IntermediateSize, opt),
        };
    }

    public void Dispose()
    {
    }

    private LinearWeights Linear(string name, int rows, int columns, bool biased)
    {
        float[] weights = Values(name, rows * columns, 1.5 / Math.Sqrt(columns));
        float[]? bias = biased ? Values(name + ".bias", rows, 0.1) : null;
        if (_quantize is null)
        {
            return new LinearWeights { Name = name, Float = new FloatTable(rows, columns, ElementType.Float32, MemoryMarshal.AsBytes(weights.AsSpan()).ToArray()), Bias = bias };
        }

        (QuantizedLinear layer, string scheme) = _quantize(name, weights, rows, columns, bias);
        return new LinearWeights { Name = name, Quantized = layer, Scheme = scheme };
    }

    private NormWeights Norm(string name)
    {
        float[] gain = Values(name, Config.HiddenSize, 0.2);
        for (int i = 0; i < gain.Length; i++)
        {
            gain[i] += 1;
        }

        return new NormWeights(gain, Config.Family == ModelFamily.Opt ? Values(name + ".bias", Config.HiddenSize, 0.1) : null);
    }

    private FloatTable Table(string name, int rows, int columns, ElementType type, double deviation)
    {
        float[] values = Values(name, rows * columns, deviation);
        byte[] data = new byte[values.Length * 2];
        Span<ushort> halves = MemoryMarshal.Cast<byte, ushort>(data.AsSpan());
        for (int i = 0; i < values.Length; i++)
        {
            halves[i] = type == ElementType.Float16 ? BitConverter.HalfToUInt16Bits((Half)values[i]) : (ushort)(BitConverter.SingleToUInt32Bits(values[i]) >> 16);
        }

        return new FloatTable(rows, columns, type, data);
    }

    private float[] Values(string name, int count, double deviation)
    {
        int hash = _seed;
        foreach (char c in name)
        {
            hash = unchecked((hash * 31) + c);
        }

        Random random = new(hash);
        float[] values = new float[count];
        for (int i = 0; i < count; i++)
        {
            // The sum of three uniforms: near normal, bounded.
            values[i] = (float)((random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5) * 2 * deviation);
        }

        return values;
    }
}
