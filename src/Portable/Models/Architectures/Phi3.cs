using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>Phi-3, 3.5, 4 and 4-mini: LLaMA with q, k, v and gate, up in one tensor each, and positions that may turn a part of a head.</summary>
internal static class Phi3
{
    public static Architecture Architecture { get; } = new(
        "phi3",
        new ConfigDefaults(32064, 3072, 8192, 32, 32, null, 4096, 1, 32000) { NormEpsilon = 1e-5, OriginalPositions = 4096 },
        d => d.Model(d.Blocks(d.Block(), new RotaryFields(d, partial: true).Whole, Windows.Read(d, null))),
        new TensorNames
        {
            Fused =
            [
                new FusedTensor("self_attn.qkv_proj", [BlockSlot.Query, BlockSlot.Key, BlockSlot.Value]),
                new FusedTensor("mlp.gate_up_proj", [BlockSlot.Gate, BlockSlot.Up]),
            ],
        });
}
