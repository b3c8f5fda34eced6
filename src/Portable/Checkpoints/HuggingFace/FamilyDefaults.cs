namespace Portable.Checkpoints.HuggingFace;

/// <summary>What a config.json means that omits a field: the values of the reference implementation (transformers 4), per model_type.</summary>
/// <param name="Type">model_type.</param>
/// <param name="VocabularySize">vocab_size.</param>
/// <param name="HiddenSize">hidden_size.</param>
/// <param name="IntermediateSize">intermediate_size, or ffn_dim.</param>
/// <param name="Layers">num_hidden_layers.</param>
/// <param name="Heads">num_attention_heads.</param>
/// <param name="KeyValueHeads">num_key_value_heads; null = as many as heads.</param>
/// <param name="Positions">max_position_embeddings.</param>
/// <param name="BeginToken">bos_token_id, or null.</param>
/// <param name="EndToken">eos_token_id, or null.</param>
internal sealed record FamilyDefaults(
    string Type, int VocabularySize, int HiddenSize, int IntermediateSize, int Layers, int Heads, int? KeyValueHeads, int Positions, int? BeginToken, int? EndToken)
{
    private static readonly FamilyDefaults[] All =
    [
        new("llama", 32000, 4096, 11008, 32, 32, null, 2048, 1, 2),
        new("mistral", 32000, 4096, 14336, 32, 32, 8, 131_072, 1, 2),
        new("qwen2", 151_936, 4096, 22016, 32, 32, 32, 32_768, null, null),
        new("opt", 50_272, 768, 3072, 12, 12, null, 2048, 2, 2),
    ];

    /// <summary>Every model_type that Portable runs.</summary>
    public static IEnumerable<string> Names => All.Select(d => d.Type);

    /// <summary>The defaults of a model_type, or null where Portable does not run it.</summary>
    public static FamilyDefaults? TryFind(string type) => All.FirstOrDefault(d => d.Type == type);
}
