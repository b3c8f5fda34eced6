using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>OLMo 2 and 3: RMSNorm after each part and of all query and key heads together; OLMo 3 has a window on three layers of four.</summary>
internal static class Olmo2
{
    private static readonly ConfigDefaults Defaults = new(50_304, 4096, 11008, 32, 32, null, 2048, null, 50_279) { NormEpsilon = 1e-5 };

    private static readonly TensorNames Names = new TensorNames()
        .With(BlockNorm.AfterAttention, "post_attention_layernorm")
        .With(BlockNorm.AfterMlp, "post_feedforward_layernorm")
        .With(BlockNorm.Query, "self_attn.q_norm")
        .With(BlockNorm.Key, "self_attn.k_norm");

    public static Architecture Architecture { get; } = new("olmo2", Defaults, d => d.Model(d.Blocks(Block(d), new RotaryFields(d).Whole)), Names);

    public static Architecture WithWindows { get; } = new("olmo3", Defaults, ReadWithWindows, Names);

    private static ModelConfig ReadWithWindows(DecoderFields decoder)
    {
        LayerWindows? windows = Windows.Read(decoder, 4096, layer => (layer + 1) % 4 != 0);
        RotaryFields rotary = new(decoder);
        // Layers with a window are as long as they were trained: scaling is for the others.
        (RotaryLayout full, RotaryLayout sliding) = rotary.PerLayerType
            ? (rotary.Of("full_attention"), rotary.Of("sliding_attention"))
            : (rotary.Whole, rotary.Plain(rotary.Whole.Base));
        return decoder.Model(decoder.Blocks(Block(decoder), full, sliding, windows));
    }

    private static BlockLayout Block(DecoderFields decoder)
    {
        BlockLayout block = decoder.Block();
        return block with { NormPlace = NormPlace.After, Attention = block.Attention with { QueryKeyNorm = QueryKeyNorm.Width } };
    }
}
