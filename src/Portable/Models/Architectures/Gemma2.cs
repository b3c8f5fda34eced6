using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>Gemma 2: norms of gain 1 + w before and after each part, gated tanh-GELU, softcaps, a window on every other layer, embeddings times √hidden.</summary>
internal static class Gemma2
{
    /// <summary>Gemma's names: the norm after attention has the name that elsewhere stands before the MLP.</summary>
    public static TensorNames Names { get; } = (new TensorNames() with { GainsExceedOne = true })
        .With(BlockNorm.AfterAttention, "post_attention_layernorm")
        .With(BlockNorm.Mlp, "pre_feedforward_layernorm")
        .With(BlockNorm.AfterMlp, "post_feedforward_layernorm");

    public static Architecture Architecture { get; } = new(
        "gemma2",
        new ConfigDefaults(256_000, 2304, 9216, 26, 8, 4, 8192, 2, 1) { HeadSize = 256, TiedEmbeddings = true },
        d => Model(d, d.Blocks(Block(d, 50), new RotaryFields(d).Whole, Windows.Read(d, 4096, layer => layer % 2 == 0)), 30),
        Names);

    /// <summary>A block of Gemma 2 or 3.</summary>
    /// <param name="decoder">config.json.</param>
    /// <param name="softcap">attn_logit_softcapping where it is omitted; 0 = none.</param>
    public static BlockLayout Block(DecoderFields decoder, double softcap)
    {
        decoder.RequireFlag("use_bidirectional_attention", false);
        BlockLayout block = decoder.Block("hidden_activation", "gelu_pytorch_tanh");
        return block with
        {
            NormPlace = NormPlace.Both,
            Attention = block.Attention with
            {
                Scale = (float)(1 / Math.Sqrt(decoder.Fields.Number("query_pre_attn_scalar", 1e-3, 1e6, 256))),
                Softcap = decoder.Softcap("attn_logit_softcapping", softcap),
            },
        };
    }

    /// <summary>The model around the blocks.</summary>
    public static ModelConfig Model(DecoderFields decoder, BlockLayout[] blocks, double softcap) => decoder.Model(blocks) with
    {
        EmbeddingScale = (float)Math.Sqrt(decoder.Hidden),
        LogitSoftcap = decoder.Softcap("final_logit_softcapping", softcap),
    };
}
