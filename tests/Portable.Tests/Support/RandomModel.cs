using System.Runtime.InteropServices;
using Portable.Models;
using Portable.Quantization.Runs;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;

namespace Portable.Tests.Support;

/// <summary>A small model with seeded random weights, quantized layer by layer with a function of the layer's name.</summary>
internal sealed class RandomModel : IModelSource
{
    private static readonly string[] NormNames = ["attention_norm", "mlp_norm", "after_attention_norm", "after_mlp_norm", "q_norm", "k_norm"], SlotNames = ["q", "k", "v", "o", "gate", "up", "down"];
    private readonly int _seed;
    private readonly Func<string, float[], int, int, float[]?, (QuantizedLinear Layer, string Scheme)>? _quantize;

    public RandomModel(ModelConfig config, int keyValueBits, int seed, Func<string, float[], int, int, float[]?, (QuantizedLinear Layer, string Scheme)>? quantize)
    {
        (Config, KeyValueBits, _seed, _quantize) = (config, keyValueBits, seed, quantize);
    }

    public ModelConfig Config { get; }

    public int KeyValueBits { get; }

    /// <summary>Bits of embedding and head; 16: floats.</summary>
    public int HeadBits { get; init; } = 16;

    public static ModelConfig Llama(int heads = 4, int keyValueHeads = 2, int layers = 2, int intermediate = 152) => Of("llama", layers, new BlockLayout
    {
        Hidden = heads * 16,
        Intermediate = intermediate,
        Attention = new AttentionLayout(heads, keyValueHeads, 16),
        Rotary = new RotaryLayout(16, 10000),
        NormEpsilon = 1e-5f,
    });

    public static ModelConfig Opt(int layers = 2) => Of("opt", layers, Llama(4, 4).Blocks[0] with
    {
        Rotary = null,
        Norm = NormKind.Layer,
        Activation = ActivationKind.Relu,
        Gated = false,
        AttentionBias = true,
        OutputBias = true,
        MlpBias = true,
    }) with { LearnedPositionOffset = 2 };

    /// <summary>A model of one layout.</summary>
    public static ModelConfig Of(string type, int layers, BlockLayout block) => new()
    {
        ModelType = type,
        Blocks = [.. Enumerable.Repeat(block, layers)],
        VocabularySize = 97,
        MaximumPositions = 160,
    };

    /// <summary>Round-to-nearest under one scheme; with groups of activations, on scales of 11 bits.</summary>
    public static RandomModel RoundToNearest(ModelConfig config, string scheme, int seed)
    {
        QuantizationScheme parsed = QuantizationScheme.Parse(scheme);
        return new RandomModel(config, parsed.KeyValueBits, seed, (_, w, n, k, bias) =>
            (Reference.Quantization.RoundToNearest.Quantize(w, n, k, bias, parsed, parsed.ActivationGroupSize == 0 ? ScaleFormat.Single : ScaleFormat.Half), parsed.Layer.ToString())) { HeadBits = parsed.HeadBits };
    }

    public TableWeights LoadEmbedding() => Vocabulary("embedding", ElementType.Float16, 1);

    public FloatTable? LoadPositions() =>
        Config.LearnedPositionOffset is { } offset ? Table("positions", Config.MaximumPositions + offset, Config.HiddenSize, ElementType.Float16, 0.3) : null;

    public TableWeights? LoadHead() => Config.TiedEmbeddings ? null : Vocabulary("head", ElementType.BFloat16, 0.3);

    public NormWeights LoadFinalNorm() => Norm("final", Config.HiddenSize, Config.FinalNormBias);

    public BlockWeights LoadBlock(int index)
    {
        BlockLayout layout = Config.Blocks[index];
        string prefix = $"blocks.{index}.";
        return BlockWeights.Create(layout, norm => Norm(prefix + NormNames[(int)norm], layout.WidthOf(norm), layout.HasBias(norm)), slot =>
        {
            (int rows, int columns) = layout.SizeOf(slot);
            return Linear(prefix + SlotNames[(int)slot], rows, columns, layout.HasBias(slot));
        });
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

    private NormWeights Norm(string name, int width, bool biased)
    {
        float[] gain = Values(name, width, 0.2);
        for (int i = 0; i < gain.Length; i++)
        {
            gain[i] += 1;
        }

        return new NormWeights(gain, biased ? Values(name + ".bias", width, 0.1) : null);
    }

    private TableWeights Vocabulary(string name, ElementType type, double deviation)
    {
        TableWeights floats = new(Table(name, Config.VocabularySize, Config.HiddenSize, type, deviation));
        return HeadBits == 16 ? floats : floats.Quantized(HeadBits, ScaleFormat.Half, out _);
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
