namespace Portable.Models.Architectures;

/// <summary>What a config.json means that omits a field: the values of the reference implementation (transformers 4).</summary>
/// <param name="VocabularySize">vocab_size.</param>
/// <param name="HiddenSize">hidden_size.</param>
/// <param name="IntermediateSize">intermediate_size, or ffn_dim.</param>
/// <param name="Layers">num_hidden_layers.</param>
/// <param name="Heads">num_attention_heads.</param>
/// <param name="KeyValueHeads">num_key_value_heads; null = as many as heads.</param>
/// <param name="Positions">max_position_embeddings.</param>
/// <param name="BeginToken">bos_token_id, or null.</param>
/// <param name="EndToken">eos_token_id, or null.</param>
internal sealed record ConfigDefaults(
    int VocabularySize, int HiddenSize, int IntermediateSize, int Layers, int Heads, int? KeyValueHeads, int Positions, int? BeginToken, int? EndToken)
{
    /// <summary>head_dim; null = hidden_size / num_attention_heads.</summary>
    public int? HeadSize { get; init; }

    /// <summary>rope_theta.</summary>
    public double RotaryBase { get; init; } = 10000;

    /// <summary>partial_rotary_factor.</summary>
    public double RotaryPart { get; init; } = 1;

    /// <summary>original_max_position_embeddings; null = max_position_embeddings.</summary>
    public int? OriginalPositions { get; init; }

    /// <summary>rms_norm_eps, or as the family spells it.</summary>
    public double NormEpsilon { get; init; } = 1e-6;

    /// <summary>tie_word_embeddings.</summary>
    public bool TiedEmbeddings { get; init; }
}
