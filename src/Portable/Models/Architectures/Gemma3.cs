using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>Gemma 3, its text half: Gemma 2 without softcaps, RMSNorm of every query and key head, a window on five layers of six, which turn by a base of their own.</summary>
internal static class Gemma3
{
    private const string LocalBase = "rope_local_base_freq";

    private static readonly ConfigDefaults Defaults = new(262_208, 2304, 9216, 26, 8, 4, 131_072, 2, 1) { HeadSize = 256, TiedEmbeddings = true, RotaryBase = 1e6 };

    public static Architecture Architecture { get; } = new("gemma3_text", Defaults, Read, Gemma2.Names.With(BlockNorm.Query, "self_attn.q_norm").With(BlockNorm.Key, "self_attn.k_norm"));

    private static ModelConfig Read(DecoderFields decoder)
    {
        BlockLayout block = Gemma2.Block(decoder, 0);
        block = block with { Attention = block.Attention with { QueryKeyNorm = QueryKeyNorm.Heads } };
        int pattern = decoder.Fields.Integer(decoder.Fields.Has("sliding_window_pattern") ? "sliding_window_pattern" : "_sliding_window_pattern", 1, int.MaxValue, 6);
        LayerWindows? windows = Windows.Read(decoder, 4096, layer => (layer + 1) % pattern != 0);
        RotaryFields rotary = new(decoder);
        (RotaryLayout full, RotaryLayout sliding) = rotary.PerLayerType
            ? (rotary.Of("full_attention"), rotary.Of("sliding_attention", LocalBase, 10000))
            : (rotary.Whole, rotary.Plain(LocalBase, 10000));
        return Gemma2.Model(decoder, decoder.Blocks(block, full, sliding, windows), 0);
    }
}
