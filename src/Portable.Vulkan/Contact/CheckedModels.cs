using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;

namespace Portable.Vulkan.Contact;

/// <summary>A model of the first check.</summary>
/// <param name="Kind">What it stands for, behind "a model of".</param>
/// <param name="Config">Its shape.</param>
/// <param name="Scheme">Its scheme.</param>
internal sealed record CheckedModel(string Kind, ModelConfig Config, string Scheme);

/// <summary>
/// The models of the first check: together they have every feature of a block, every kind of cache and of tables. A test compares the
/// properties of the layouts with these, so that no feature runs on a device unproved.
/// </summary>
internal static class CheckedModels
{
    private static readonly BlockLayout Llama = new()
    {
        Hidden = 128,
        Intermediate = 192,
        Attention = new AttentionLayout(4, 2, 32),
        Rotary = new RotaryLayout(32, 10000),
        NormEpsilon = 1e-5f,
    };

    private static readonly BlockLayout Opt = Llama with
    {
        Attention = new AttentionLayout(4, 4, 32),
        Rotary = null,
        Norm = NormKind.Layer,
        Activation = ActivationKind.Relu,
        Gated = false,
        AttentionBias = true,
        OutputBias = true,
        MlpBias = true,
    };

    // Norms on both sides, heads wider than the residual stream's share, a window beside a whole context.
    private static readonly BlockLayout Gemma = Llama with
    {
        Intermediate = 200,
        Attention = new AttentionLayout(3, 1, 48) { Scale = 0.125f, Softcap = 20, Window = 21, QueryKeyNorm = QueryKeyNorm.Heads },
        Rotary = new RotaryLayout(48, 10000),
        NormPlace = NormPlace.Both,
        NormEpsilon = 1e-6f,
        Activation = ActivationKind.GeluTanh,
    };

    // Norms after the parts, of all queries and keys together; positions that stretch.
    private static readonly BlockLayout Olmo = Llama with
    {
        Attention = new AttentionLayout(4, 2, 32) { QueryKeyNorm = QueryKeyNorm.Width, Window = 30 },
        Rotary = new RotaryLayout(32, 50000, new YarnRotaryScaling(4, 16, 32, 1, true, 1.1, 0.2)),
        NormPlace = NormPlace.After,
    };

    // Turning in part, without a gate.
    private static readonly BlockLayout Nemotron = Llama with
    {
        Rotary = new RotaryLayout(16, 10000),
        Norm = NormKind.Layer,
        Activation = ActivationKind.SquaredRelu,
        Gated = false,
    };

    /// <summary>The models.</summary>
    public static IReadOnlyList<CheckedModel> All { get; } =
    [
        new("RMSNorm, rotary and gate over a KV16 cache", Of("llama", Llama, Llama), "W4A8"),
        new("RMSNorm, rotary and gate over a KV8 cache", Of("llama", Llama, Llama), "W4A8KV8"),
        new("RMSNorm, rotary and gate over a KV4 cache", Of("llama", Llama, Llama), "W6A8g64KV4"),
        new("LayerNorm and ReLU over a KV16 cache", Of("opt", Opt, Opt) with { LearnedPositionOffset = 2 }, "W4A16"),
        new("LayerNorm and ReLU over a KV2 cache", Of("opt", Opt, Opt) with { LearnedPositionOffset = 2 }, "W8A8KV2"),
        new(
            "norms before and after, softcaps and a window over a KV8 cache",
            Of("gemma", Gemma, Gemma with { Attention = Gemma.Attention with { Window = 0 } }) with { EmbeddingScale = 11.313708f, LogitSoftcap = 30 },
            "W8A8KV8"),
        new("norms after, of queries and keys, and a window over a KV16 cache", Of("olmo", Olmo, Olmo with { Rotary = null, Attention = Olmo.Attention with { Window = 0 } }), "W4A8"),
        new("squared ReLU, partial rotary, GELU and tables of 8-bit codes over a KV4 cache", Of("nemotron", Nemotron, Nemotron with { Activation = ActivationKind.GeluErf }), "W4A8KV4H8"),
        new("one table of 5-bit codes, scaled and capped, over a KV8 cache", Of("llama", Llama) with { TiedEmbeddings = true, EmbeddingScale = 3.5f, LogitSoftcap = 30 }, "W4A8KV8H5"),
    ];

    private static ModelConfig Of(string type, params BlockLayout[] blocks) => new() { ModelType = type, Blocks = blocks, VocabularySize = 101, MaximumPositions = 128 };
}
