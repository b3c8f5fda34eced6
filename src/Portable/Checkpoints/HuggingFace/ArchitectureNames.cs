using Portable.Checkpoints.Files;
using Portable.Models;

namespace Portable.Checkpoints.HuggingFace;

/// <summary>A linear layer of a block as a checkpoint names it.</summary>
/// <param name="Name">Module name with "model." in front, without ".weight".</param>
/// <param name="OutputFeatures">N.</param>
/// <param name="InputFeatures">K.</param>
/// <param name="HasBias">Whether the architecture and config.json give it a bias.</param>
internal sealed record LinearName(string Name, int OutputFeatures, int InputFeatures, bool HasBias);

/// <summary>Names of all parts of a model in a Hugging Face checkpoint, with the shapes that config.json gives them.</summary>
internal sealed class ArchitectureNames
{
    private readonly ModelConfig _config;
    private readonly bool _queryBias, _outputBias, _mlpBias;

    public ArchitectureNames(ModelConfig config, JsonFields fields)
    {
        _config = config;
        (_queryBias, _outputBias, _mlpBias) = config.ModelType switch
        {
            "opt" => (fields.Flag("enable_bias", true), fields.Flag("enable_bias", true), fields.Flag("enable_bias", true)),
            // Qwen2 is LLaMA with biases on q, k and v, whatever its config says.
            "qwen2" => (true, false, false),
            _ => (fields.Flag("attention_bias", false), fields.Flag("attention_bias", false), fields.Flag("mlp_bias", false)),
        };
    }

    public bool IsOpt => _config.Family == ModelFamily.Opt;

    public int HiddenSize => _config.HiddenSize;

    private string Root => IsOpt ? "model.decoder." : "model.";

    public string Embedding => Root + "embed_tokens.weight";

    public string Positions => Root + "embed_positions.weight";

    public string FinalNorm => Root + (IsOpt ? "final_layer_norm" : "norm");

    public string Head => "lm_head.weight";

    public string AttentionNorm(int block) => Block(block) + (IsOpt ? "self_attn_layer_norm" : "input_layernorm");

    public string MlpNorm(int block) => Block(block) + (IsOpt ? "final_layer_norm" : "post_attention_layernorm");

    public LinearName Query(int block) => new(Block(block) + "self_attn.q_proj", _config.QueryWidth, _config.HiddenSize, _queryBias);

    public LinearName Key(int block) => new(Block(block) + "self_attn.k_proj", _config.KeyValueWidth, _config.HiddenSize, _queryBias);

    public LinearName Value(int block) => new(Block(block) + "self_attn.v_proj", _config.KeyValueWidth, _config.HiddenSize, _queryBias);

    public LinearName Output(int block) => new(Block(block) + (IsOpt ? "self_attn.out_proj" : "self_attn.o_proj"), _config.HiddenSize, _config.QueryWidth, _outputBias);

    public LinearName? Gate(int block) => IsOpt ? null : new(Block(block) + "mlp.gate_proj", _config.IntermediateSize, _config.HiddenSize, _mlpBias);

    public LinearName Up(int block) => new(Block(block) + (IsOpt ? "fc1" : "mlp.up_proj"), _config.IntermediateSize, _config.HiddenSize, _mlpBias);

    public LinearName Down(int block) => new(Block(block) + (IsOpt ? "fc2" : "mlp.down_proj"), _config.HiddenSize, _config.IntermediateSize, _mlpBias);

    /// <summary>The linears of a block in the order of the forward pass.</summary>
    public IEnumerable<LinearName> Linears(int block)
    {
        LinearName?[] all = [Query(block), Key(block), Value(block), Output(block), Gate(block), Up(block), Down(block)];
        return all.OfType<LinearName>();
    }

    private string Block(int block) => FormattableString.Invariant($"{Root}layers.{block}.");
}
