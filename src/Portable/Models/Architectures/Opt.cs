using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>OPT: LayerNorm before each part, learned positions, ungated ReLU, biases.</summary>
internal static class Opt
{
    public static Architecture Architecture { get; } = new("opt", new ConfigDefaults(50_272, 768, 3072, 12, 12, null, 2048, 2, 2) { TiedEmbeddings = true }, Read, new TensorNames
    {
        Roots = ["model.decoder.", "decoder."],
        FinalNorm = "final_layer_norm",
        Norms = new Dictionary<BlockNorm, string> { [BlockNorm.Attention] = "self_attn_layer_norm", [BlockNorm.Mlp] = "final_layer_norm" },
        Linears = new Dictionary<BlockSlot, string>
        {
            [BlockSlot.Query] = "self_attn.q_proj",
            [BlockSlot.Key] = "self_attn.k_proj",
            [BlockSlot.Value] = "self_attn.v_proj",
            [BlockSlot.Output] = "self_attn.out_proj",
            [BlockSlot.Up] = "fc1",
            [BlockSlot.Down] = "fc2",
        },
    });

    private static ModelConfig Read(DecoderFields decoder)
    {
        decoder.RequireFlag("do_layer_norm_before", true);
        decoder.RequireFlag("_remove_final_layer_norm", false);
        decoder.RequireFlag("layer_norm_elementwise_affine", true);
        if (decoder.Size("word_embed_proj_dim", decoder.Hidden) != decoder.Hidden)
        {
            throw decoder.Fields.Error("word_embed_proj_dim", $"projected embeddings are not supported; it must equal hidden_size {decoder.Hidden}");
        }

        bool bias = decoder.Fields.Flag("enable_bias", true);
        BlockLayout block = new()
        {
            Hidden = decoder.Hidden,
            Intermediate = decoder.Size("ffn_dim", decoder.Defaults.IntermediateSize),
            Attention = new AttentionLayout(decoder.Heads, decoder.Heads, decoder.Hidden / decoder.Heads),
            Norm = NormKind.Layer,
            NormEpsilon = 1e-5f, // Fixed by the architecture, not a field.
            Activation = decoder.Activation("activation_function", "relu"),
            Gated = false,
            AttentionBias = bias,
            OutputBias = bias,
            MlpBias = bias,
        };
        return decoder.Model(decoder.Blocks(block, null)) with { LearnedPositionOffset = 2 };
    }
}
