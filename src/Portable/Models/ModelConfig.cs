using System.Globalization;
using Portable.Reference.Arithmetic;

namespace Portable.Models;

/// <summary>The two block layouts that Portable runs.</summary>
internal enum ModelFamily
{
    /// <summary>RMSNorm, rotary positions, gated SiLU MLP: LLaMA, Mistral, Qwen2.</summary>
    Llama,

    /// <summary>LayerNorm before each part, learned positions, ReLU MLP: OPT.</summary>
    Opt,
}

/// <summary>The shape of a decoder-only transformer, as read from config.json.</summary>
internal sealed record ModelConfig
{
    /// <summary>Block layout.</summary>
    public required ModelFamily Family { get; init; }

    /// <summary>`model_type` as the file has it (llama, mistral, qwen2, opt).</summary>
    public required string ModelType { get; init; }

    /// <summary>Width of the residual stream.</summary>
    public required int HiddenSize { get; init; }

    /// <summary>Width of the MLP.</summary>
    public required int IntermediateSize { get; init; }

    /// <summary>Number of blocks.</summary>
    public required int Layers { get; init; }

    /// <summary>Query heads.</summary>
    public required int Heads { get; init; }

    /// <summary>Key and value heads; divides <see cref="Heads"/>.</summary>
    public required int KeyValueHeads { get; init; }

    /// <summary>Width of a head.</summary>
    public required int HeadSize { get; init; }

    /// <summary>Rows of the embedding and of the head.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>The longest context.</summary>
    public required int MaximumPositions { get; init; }

    /// <summary>Whether the context ends where the model's sliding window does, before its positions do.</summary>
    public bool ContextIsWindow { get; init; }

    /// <summary>The longest context in words.</summary>
    public string ContextText => string.Create(CultureInfo.InvariantCulture, $"context {MaximumPositions:N0}{(ContextIsWindow ? ": this model's window" : "")}");

    /// <summary>What the model's files say that is not used, one line each, for who generates text; the logits of given ids do not depend on it.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>ε of the norms.</summary>
    public required float NormEpsilon { get; init; }

    /// <summary>Base of the rotary frequencies (Llama family).</summary>
    public double RotaryBase { get; init; } = 10000;

    /// <summary>Llama 3 scaling of the rotary frequencies, or null.</summary>
    public RotaryScaling? RotaryScaling { get; init; }

    /// <summary>Whether the head is the embedding.</summary>
    public bool TiedEmbeddings { get; init; }

    /// <summary>Beginning-of-sequence token, or null.</summary>
    public int? BeginToken { get; init; }

    /// <summary>Tokens that end generation.</summary>
    public IReadOnlyList<int> EndTokens { get; init; } = [];

    /// <summary>Cosines and sines of positions 0 … <paramref name="positions"/> − 1, or null where positions are learned.</summary>
    public RotaryTable? CreateRotary(int positions) => Family == ModelFamily.Llama ? new RotaryTable(positions, HeadSize, RotaryBase, RotaryScaling) : null;

    /// <summary>Rows that precede position 0 in OPT's learned position table.</summary>
    public int PositionOffset => Family == ModelFamily.Opt ? 2 : 0;

    /// <summary>Width of the concatenated query heads.</summary>
    public int QueryWidth => Heads * HeadSize;

    /// <summary>Width of the concatenated key (or value) heads.</summary>
    public int KeyValueWidth => KeyValueHeads * HeadSize;
}
