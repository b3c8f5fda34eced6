using System.Globalization;
using Portable.Reference.Blocks;

namespace Portable.Models;

/// <summary>The shape of a decoder-only transformer, as read from config.json.</summary>
internal sealed record ModelConfig
{
    /// <summary>`model_type` as the file has it (llama, mistral, qwen2, opt …).</summary>
    public required string ModelType { get; init; }

    /// <summary>The blocks in order; at least one, all of one width.</summary>
    public required IReadOnlyList<BlockLayout> Blocks { get; init; }

    /// <summary>Rows of the embedding and of the head.</summary>
    public required int VocabularySize { get; init; }

    /// <summary>The longest context.</summary>
    public required int MaximumPositions { get; init; }

    /// <summary>Rows that precede position 0 in the learned position table, or null where positions are not learned.</summary>
    public int? LearnedPositionOffset { get; init; }

    /// <summary>Factor of the embeddings.</summary>
    public float EmbeddingScale { get; init; } = 1;

    /// <summary>Factor of what attention and MLP add to the residual stream; a float checkpoint folds it into o and down as it loads them.</summary>
    public float ResidualScale { get; init; } = 1;

    /// <summary>Factor of the logits; a float checkpoint folds it into the last norm as it loads it.</summary>
    public float LogitScale { get; init; } = 1;

    /// <summary>c of c·tanh(logit/c), 0 = none.</summary>
    public float LogitSoftcap { get; init; }

    /// <summary>Whether the head is the embedding.</summary>
    public bool TiedEmbeddings { get; init; }

    /// <summary>Beginning-of-sequence token, or null.</summary>
    public int? BeginToken { get; init; }

    /// <summary>Tokens that end generation.</summary>
    public IReadOnlyList<int> EndTokens { get; init; } = [];

    /// <summary>What the model's files say that is not used, one line each, for who generates text; the logits of given ids do not depend on it.</summary>
    public IReadOnlyList<string> Notes { get; init; } = [];

    /// <summary>Number of blocks.</summary>
    public int Layers => Blocks.Count;

    /// <summary>Width of the residual stream.</summary>
    public int HiddenSize => Blocks[0].Hidden;

    /// <summary>ε of the norm before the head.</summary>
    public float NormEpsilon => Blocks[0].NormEpsilon;

    /// <summary>Whether the norm before the head has a bias.</summary>
    public bool FinalNormBias => Blocks[0].Norm == NormKind.Layer;

    /// <summary>The attention windows of those layers that have one.</summary>
    private int[] Windows => [.. Blocks.Select(b => b.Attention.Window).Where(w => w > 0)];

    /// <summary>The longest context in words.</summary>
    public string ContextText => string.Create(CultureInfo.InvariantCulture, $"context {MaximumPositions:N0}{(Windows.Length == 0 ? "" : Windows.Length == Layers ? $", windows of {Windows.Max():N0}" : $", windows of {Windows.Max():N0} on {Windows.Length} of {Layers} layers")}");
}
