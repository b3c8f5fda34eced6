using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>Qwen3, dense: LLaMA with RMSNorm of every query and key head, heads of 128 whatever the width.</summary>
internal static class Qwen3
{
    public static Architecture Architecture { get; } = new(
        "qwen3",
        new ConfigDefaults(151_936, 4096, 22016, 32, 32, 32, 32_768, null, null) { HeadSize = 128 },
        d => d.Model(d.Blocks(Block(d), new RotaryFields(d).Whole, Qwen2.WindowsOf(d))),
        new TensorNames().With(BlockNorm.Query, "self_attn.q_norm").With(BlockNorm.Key, "self_attn.k_norm"));

    private static BlockLayout Block(DecoderFields decoder)
    {
        BlockLayout block = decoder.Block();
        return block with { Attention = block.Attention with { QueryKeyNorm = QueryKeyNorm.Heads } };
    }
}
