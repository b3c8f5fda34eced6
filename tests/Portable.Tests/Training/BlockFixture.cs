using System.Text.Json;
using Portable.Checkpoints.Files;
using Portable.Models.Architectures;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Portable.Reference.Training;
using Portable.Tests.Oracle;

namespace Portable.Tests.Training;

/// <summary>A small random block, its input, and the oracle that holds the same parameters.</summary>
internal sealed class BlockFixture
{
    public BlockFixture(int seed, bool gated, int tokens = 7, int heads = 4, int group = 2, int size = 4, int hidden = 12, int intermediate = 10)
        : this(
            seed,
            new BlockLayout
            {
                Hidden = hidden,
                Intermediate = intermediate,
                Attention = new AttentionLayout(heads, heads / group, size),
                Rotary = gated ? new RotaryLayout(size, 100) : null,
                Norm = gated ? NormKind.Rms : NormKind.Layer,
                NormEpsilon = 1e-5f,
                Activation = gated ? ActivationKind.Silu : ActivationKind.Relu,
                Gated = gated,
            },
            tokens,
            linear => !gated || linear == BlockSlot.Query)
    {
    }

    /// <summary>A block of a layout.</summary>
    public BlockFixture(int seed, BlockLayout layout, int tokens)
        : this(seed, layout, tokens, layout.HasBias)
    {
    }

    private BlockFixture(int seed, BlockLayout layout, int tokens, Func<BlockSlot, bool> biased)
    {
        Random random = new(seed);
        (Tokens, Layout) = (tokens, layout);
        Tensors = new BlockTensors(Layout);
        foreach (BlockNorm norm in Layout.Norms)
        {
            int width = layout.WidthOf(norm);
            Tensors[norm] = new NormTensors(Fill(random, width, 0.3f, 1), layout.HasBias(norm) ? Fill(random, width, 0.2f) : null);
        }

        foreach (BlockSlot linear in Layout.Slots)
        {
            (int rows, int columns) = Layout.SizeOf(linear);
            Tensors[linear] = new LinearTensors(rows, columns, Fill(random, rows * columns, 0.5f), biased(linear) ? Fill(random, rows, 0.2f) : null);
        }

        Input = Fill(random, tokens * layout.Hidden, 1f);
        Table = layout.Rotary?.Table(tokens);
    }

    private BlockFixture(BlockFixture other, BlockTensors tensors) =>
        (Tokens, Layout, Tensors, Input, Table) = (other.Tokens, other.Layout, tensors, other.Input, other.Table);

    /// <summary>The table's model types.</summary>
    public static IEnumerable<string> ModelTypes => ArchitectureTable.All.Select(a => a.ModelType);

    public int Tokens { get; }

    public BlockLayout Layout { get; }

    public BlockTensors Tensors { get; }

    public float[] Input { get; }

    public RotaryTable? Table { get; }

    public TrainingRotary? Rotary => Table is null ? null : new TrainingRotary(Table);

    /// <summary>The different blocks of a small model of a type: a window of three, softcaps that act, positions in both of the kinds that layers may have.</summary>
    public static BlockLayout[] LayoutsOf(string modelType)
    {
        const string Fields = """
            {"hidden_size": 12, "intermediate_size": 10, "ffn_dim": 10, "num_hidden_layers": 6, "num_attention_heads": 4, "num_key_value_heads": 2, "vocab_size": 20,
             "max_position_embeddings": 64, "sliding_window": 3, "use_sliding_window": true, "max_window_layers": 3, "query_pre_attn_scalar": 3,
             "attn_logit_softcapping": 0.7, "attention_bias": true, "mlp_bias": true, "attention_multiplier": 0.4,
        """;
        string rest = modelType switch
        {
            "opt" => "\"word_embed_proj_dim\": 12}",
            "phi3" => """ "head_dim": 6, "partial_rotary_factor": 0.7, "rope_scaling": {"type": "longrope", "short_factor": [1, 1.5], "long_factor": [2, 3], "original_max_position_embeddings": 3}}""",
            "nemotron" => """ "head_dim": 8, "partial_rotary_factor": 0.5}""",
            "ministral3" => """ "head_dim": 4, "rope_parameters": {"rope_type": "yarn", "rope_theta": 100, "factor": 8, "original_max_position_embeddings": 4, "llama_4_scaling_beta": 0.5}}""",
            _ => """ "head_dim": 4}""",
        };
        var architecture = ArchitectureTable.TryFind(modelType)!;
        using JsonDocument document = JsonDocument.Parse(Fields + rest);
        return [.. architecture.Read(new DecoderFields(new JsonFields(modelType, document.RootElement), modelType, architecture.Defaults)).Blocks.Distinct()];
    }

    /// <summary>A layout drawn from all that layouts can say.</summary>
    public static BlockLayout AnyLayout(int seed)
    {
        Random random = new(seed);
        T Pick<T>(params ReadOnlySpan<T> values) => values[random.Next(values.Length)];
        int group = Pick(1, 2, 4), size = Pick(4, 6, 8), turning = Pick(0, 2, 4, size);
        return new BlockLayout
        {
            Hidden = Pick(9, 12),
            Intermediate = Pick(7, 10, 16),
            Attention = new AttentionLayout(4, 4 / group, size)
            {
                Scale = Pick(0.3f, 0.5f),
                Window = Pick(0, 1, 3),
                Softcap = Pick(0, 0.6f, 20),
                QueryKeyNorm = Pick(Enum.GetValues<QueryKeyNorm>()),
            },
            Rotary = turning == 0 ? null : new RotaryLayout(turning, 100, Pick<RotaryScaling?>(null, new YarnRotaryScaling(4, 3, 32, 1, true, 1.2, 0.4))),
            Norm = Pick(Enum.GetValues<NormKind>()),
            NormPlace = Pick(Enum.GetValues<NormPlace>()),
            NormEpsilon = 1e-4f,
            Activation = Pick(Enum.GetValues<ActivationKind>()),
            Gated = Pick(true, false),
            AttentionBias = Pick(true, false),
            OutputBias = Pick(true, false),
            MlpBias = Pick(true, false),
        };
    }

    public TrainingBlock Block(int activationBits = 16, int keyValueBits = 16) => new(Layout, Tokens, activationBits, keyValueBits, Rotary);

    /// <summary>The same with other parameters.</summary>
    public BlockFixture With(BlockTensors tensors) => new(this, tensors);

    public BlockOracle Oracle()
    {
        BlockOracle oracle = new(Layout);
        foreach (BlockNorm norm in Layout.Norms)
        {
            oracle.Gains.Add(norm, Wide(Tensors[norm].Gain));
            if (Tensors[norm].Bias is { } bias)
            {
                oracle.NormBiases.Add(norm, Wide(bias));
            }
        }

        foreach (BlockSlot linear in Layout.Slots)
        {
            oracle.Weights.Add(linear, Wide(Tensors[linear].Weight));
            if (Tensors[linear].Bias is { } bias)
            {
                oracle.Biases.Add(linear, Wide(bias));
            }
        }

        return oracle;
    }

    public double[] OracleForward(BlockOracle oracle, double[] x)
    {
        double[] Angles(Func<int, ReadOnlySpan<float>> row) => Table is null ? [] : [.. Enumerable.Range(0, Tokens).SelectMany(t => Wide(row(t).ToArray()))];
        return oracle.Forward(x, Tokens, Angles(t => Table!.Cosine(t)), Angles(t => Table!.Sine(t)), Angles(t => Table!.QueryCosine(t)), Angles(t => Table!.QuerySine(t)));
    }

    public static double[] Wide(float[] values) => [.. values.Select(v => (double)v)];

    public static float[] Fill(Random random, int count, float amplitude, float offset = 0) =>
        Enumerable.Range(0, count).Select(_ => offset + amplitude * (float)(2 * random.NextDouble() - 1)).ToArray();
}
