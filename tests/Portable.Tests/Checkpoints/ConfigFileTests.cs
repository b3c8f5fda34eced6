using System.Text.Json.Nodes;
using Portable.Checkpoints;
using Portable.Checkpoints.Format;
using Portable.Checkpoints.HuggingFace;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Xunit;

namespace Portable.Tests.Checkpoints;

/// <summary>config.json: what is read, what is refused, and that every refusal names the file and the field.</summary>
public class ConfigFileTests
{
    private static readonly Dictionary<string, (string Type, Action<JsonObject> Spoil, string Field)> Cases = new()
    {
        ["no model_type"] = ("llama", c => c.Remove("model_type"), "model_type"),
        ["another architecture"] = ("llama", c => c["model_type"] = "falcon", "model_type"),
        ["no hidden_size"] = ("llama", c => c.Remove("hidden_size"), "hidden_size"),
        ["hidden_size as text"] = ("llama", c => c["hidden_size"] = "8", "hidden_size"),
        ["hidden_size zero"] = ("llama", c => c["hidden_size"] = 0, "hidden_size"),
        ["hidden_size huge"] = ("llama", c => c["hidden_size"] = 1L << 40, "hidden_size"),
        ["hidden_size fractional"] = ("llama", c => c["hidden_size"] = 8.5, "hidden_size"),
        ["layers negative"] = ("llama", c => c["num_hidden_layers"] = -1, "num_hidden_layers"),
        ["more layers than tensors"] = ("llama", c => c["num_hidden_layers"] = 2, "model.layers.1.input_layernorm.weight"),
        ["heads do not divide"] = ("llama", c => c["num_attention_heads"] = 3, "num_attention_heads"),
        ["odd head"] = ("llama", c => c["num_attention_heads"] = 8, "hidden_size"),
        ["key heads do not divide"] = ("llama", c => (c["num_attention_heads"], c["num_key_value_heads"]) = (4, 3), "num_key_value_heads"),
        ["mistral without key heads"] = ("mistral", c => c.Remove("num_key_value_heads"), "num_key_value_heads"),
        ["activation"] = ("llama", c => c["hidden_act"] = "gelu", "hidden_act"),
        ["epsilon"] = ("llama", c => c["rms_norm_eps"] = -1, "rms_norm_eps"),
        ["partial rotary"] = ("llama", c => c["partial_rotary_factor"] = 0.5, "partial_rotary_factor"),
        ["rope scaling kind"] = ("llama", c => c["rope_scaling"] = new JsonObject { ["type"] = "linear", ["factor"] = 2 }, "rope_scaling.type"),
        ["rope scaling incomplete"] = ("llama", c => c["rope_scaling"] = new JsonObject { ["rope_type"] = "llama3", ["factor"] = 8 }, "rope_scaling.low_freq_factor"),
        ["rope scaling no object"] = ("llama", c => c["rope_scaling"] = 8, "rope_scaling"),
        ["rope base"] = ("llama", c => c["rope_theta"] = 0, "rope_theta"),
        ["flag as text"] = ("llama", c => c["tie_word_embeddings"] = "yes", "tie_word_embeddings"),
        ["bias announced, absent"] = ("llama", c => c["attention_bias"] = true, "q_proj.bias"),
        ["token id outside"] = ("llama", c => c["eos_token_id"] = new JsonArray(2, 16), "eos_token_id"),
        ["other tool's quantization"] = ("llama", c => c["quantization_config"] = new JsonObject { ["quant_method"] = "gptq" }, "quantization_config"),
        ["vocabulary of other size"] = ("llama", c => c["vocab_size"] = 15, "model.embed_tokens.weight"),
        ["opt norm after"] = ("opt", c => c["do_layer_norm_before"] = false, "do_layer_norm_before"),
        ["opt projection"] = ("opt", c => c["word_embed_proj_dim"] = 4, "word_embed_proj_dim"),
        ["opt activation"] = ("opt", c => c["activation_function"] = "gelu", "activation_function"),
        ["opt no final norm"] = ("opt", c => c["_remove_final_layer_norm"] = true, "_remove_final_layer_norm"),
        ["opt positions"] = ("opt", c => c["max_position_embeddings"] = 12, "embed_positions"),
    };

    public static TheoryData<string> Names => [.. Cases.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Refusals_name_file_and_field(string name)
    {
        (string type, Action<JsonObject> spoil, string field) = Cases[name];
        using TinyCheckpoint checkpoint = new(type);
        spoil(checkpoint.Config);
        checkpoint.WriteConfig();
        CheckpointException e = Assert.Throws<CheckpointException>(() => Checkpoint.Open(checkpoint.Directory).Dispose());
        Assert.DoesNotContain('\n', e.Message);
        Assert.StartsWith(checkpoint.Directory, e.Message, StringComparison.Ordinal);
        Assert.Contains(field, e.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("{\"model_type\":\"llama\",\"model_type\":\"opt\"}")]
    [InlineData("{\"model_type\":\"llama\"} trailing")]
    public void A_config_that_is_no_JSON_object_is_refused(string text)
    {
        using TinyCheckpoint checkpoint = new();
        File.WriteAllText(Path.Combine(checkpoint.Directory, "config.json"), text);
        CheckpointException e = Assert.Throws<CheckpointException>(() => Checkpoint.Open(checkpoint.Directory).Dispose());
        Assert.Contains("config.json", e.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', e.Message);
    }

    [Fact]
    public void A_directory_that_is_not_there_or_no_directory_is_refused()
    {
        using TinyCheckpoint checkpoint = new();
        Assert.Contains("no such directory", Assert.Throws<CheckpointException>(() => Checkpoint.Open(checkpoint.Directory + "-not")).Message, StringComparison.Ordinal);
        Assert.Contains("not a file", Assert.Throws<CheckpointException>(() => Checkpoint.Open(checkpoint.WeightsFile)).Message, StringComparison.Ordinal);
        File.Delete(Path.Combine(checkpoint.Directory, "config.json"));
        Assert.Contains("config.json: no such file", Assert.Throws<CheckpointException>(() => Checkpoint.Open(checkpoint.Directory)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Llama_3_rotary_scaling_is_read_under_both_names()
    {
        JsonObject scaling = new() { ["rope_type"] = "llama3", ["factor"] = 8.0, ["low_freq_factor"] = 1.0, ["high_freq_factor"] = 4.0, ["original_max_position_embeddings"] = 8192 };
        ModelConfig old = Config("llama", c => (c["rope_theta"], c["rope_scaling"]) = (500000.0, scaling.DeepClone()));
        Assert.Equal(500000.0, old.RotaryBase);
        Assert.Equal(new RotaryScaling(8, 1, 4, 8192), old.RotaryScaling);
        scaling["rope_theta"] = 500000.0;
        ModelConfig current = Config("llama", c => c["rope_parameters"] = scaling);
        Assert.Equal((old.RotaryBase, old.RotaryScaling), (current.RotaryBase, current.RotaryScaling));
        Assert.Null(Config("llama", c => c["rope_scaling"] = new JsonObject { ["rope_type"] = "default" }).RotaryScaling);
    }

    [Fact]
    public void A_sliding_window_ends_the_context()
    {
        Assert.Equal(4, Config("mistral", c => c["sliding_window"] = 4).MaximumPositions);
        Assert.Equal(10, Config("mistral", c => c["sliding_window"] = 4096).MaximumPositions);
        Assert.Equal(10, Config("mistral", c => c["sliding_window"] = null).MaximumPositions);
        Assert.Equal(10, Config("qwen2", c => (c["sliding_window"], c["use_sliding_window"]) = (4, false)).MaximumPositions);
        Assert.Equal(4, Config("qwen2", c => (c["sliding_window"], c["use_sliding_window"]) = (4, true)).MaximumPositions);
    }

    [Fact]
    public void End_tokens_come_from_both_files()
    {
        using TinyCheckpoint checkpoint = new(config: c => c["eos_token_id"] = new JsonArray(2, 5));
        File.WriteAllText(Path.Combine(checkpoint.Directory, "generation_config.json"), """{"eos_token_id": [5, 7]}""");
        ModelConfig config = ConfigFile.Read(checkpoint.Directory);
        Assert.Equal([2, 5, 7], config.EndTokens);
        Assert.Equal(1, config.BeginToken);
    }

    private static ModelConfig Config(string type, Action<JsonObject> edit)
    {
        using TinyCheckpoint checkpoint = new(type, config: edit);
        return ConfigFile.Read(checkpoint.Directory);
    }
}
