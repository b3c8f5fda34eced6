using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>A tensor of several linears, one below the other; each is reported and stored quantized under its own name.</summary>
/// <param name="Name">Module name.</param>
/// <param name="Slots">The linears from the top.</param>
internal sealed record FusedTensor(string Name, IReadOnlyList<BlockSlot> Slots);

/// <summary>Names of an architecture's tensors in a checkpoint, without ".weight" and ".bias".</summary>
internal sealed record TensorNames
{
    /// <summary>What stands before all names but the head's. The first is the one that reports and quantized checkpoints use; files may have any.</summary>
    public IReadOnlyList<string> Roots { get; init; } = ["model."];

    /// <summary>Token embedding.</summary>
    public string Embedding { get; init; } = "embed_tokens";

    /// <summary>Learned positions.</summary>
    public string Positions { get; init; } = "embed_positions";

    /// <summary>Norm before the head.</summary>
    public string FinalNorm { get; init; } = "norm";

    /// <summary>Head, without a root.</summary>
    public string Head { get; init; } = "lm_head";

    /// <summary>Whether norms are stored as what their gain exceeds 1 by; 1 is added at load.</summary>
    public bool GainsExceedOne { get; init; }

    /// <summary>Tensors that hold several linears one below the other.</summary>
    public IReadOnlyList<FusedTensor> Fused { get; init; } = [];

    /// <summary>Norms of a block.</summary>
    public IReadOnlyDictionary<BlockNorm, string> Norms { get; init; } = new Dictionary<BlockNorm, string>
    {
        [BlockNorm.Attention] = "input_layernorm",
        [BlockNorm.Mlp] = "post_attention_layernorm",
    };

    /// <summary>Linears of a block.</summary>
    public IReadOnlyDictionary<BlockSlot, string> Linears { get; init; } = new Dictionary<BlockSlot, string>
    {
        [BlockSlot.Query] = "self_attn.q_proj",
        [BlockSlot.Key] = "self_attn.k_proj",
        [BlockSlot.Value] = "self_attn.v_proj",
        [BlockSlot.Output] = "self_attn.o_proj",
        [BlockSlot.Gate] = "mlp.gate_proj",
        [BlockSlot.Up] = "mlp.up_proj",
        [BlockSlot.Down] = "mlp.down_proj",
    };

    /// <summary>The same with one norm named otherwise, or one more.</summary>
    public TensorNames With(BlockNorm norm, string name) => this with { Norms = new Dictionary<BlockNorm, string>(Norms) { [norm] = name } };
}
