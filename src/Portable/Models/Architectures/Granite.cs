using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>Granite 3: LLaMA with four factors, of embeddings, scores, what joins the residual stream, and logits.</summary>
internal static class Granite
{
    public static Architecture Architecture { get; } = new("granite", new ConfigDefaults(32000, 4096, 11008, 32, 32, null, 2048, 1, 2), Read, new TensorNames());

    private static ModelConfig Read(DecoderFields decoder)
    {
        BlockLayout block = decoder.Block();
        block = block with { Attention = block.Attention with { Scale = decoder.Factor("attention_multiplier") } };
        return decoder.Model(decoder.Blocks(block, new RotaryFields(decoder).Whole)) with
        {
            EmbeddingScale = decoder.Factor("embedding_multiplier"),
            ResidualScale = decoder.Factor("residual_multiplier"),
            LogitScale = 1 / decoder.Factor("logits_scaling"),
        };
    }
}
