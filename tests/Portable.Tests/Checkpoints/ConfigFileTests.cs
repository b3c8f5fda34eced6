using System.Text.Json.Nodes;
using Portable.Checkpoints;
using Portable.Checkpoints.Format;
using Portable.Checkpoints.HuggingFace;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;
using Xunit;

namespace Portable.Tests.Checkpoints;

/// <summary>config.json: what is read, what is refused, and that every refusal names the file and the field.</summary>
public class ConfigFileTests
{
    private static readonly Dictionary<string, (string Type, Action<JsonObject> Spoil, string Field)> Cases = new()
    {
        ["no model_type"] = ("llama", c => c.Remove("model_type"), "model_type"),
        ["another architecture"] = ("llama", c => c["model_type"] = "falcon", "model_type"),
        ["hidden_size as text"] = ("llama", c => c["hidden_size"] = "8", "hidden_size"),
        ["hidden_size zero"] = ("llama", c => c["hidden_size"] = 0, "hidden_size"),
        ["hidden_size huge"] = ("llama", c => c["hidden_size"] = 1L << 40, "hidden_size"),
        ["hidden_size fractional"] = ("llama", c => c["hidden_size"] = 8.5, "hidden_size"),
        ["layers negative"] = ("llama", c => c["num_hidden_layers"] = -1, "num_hidden_layers"),
        ["more layers than tensors"] = ("llama", c => c["num_hidden_layers"] = 2, "model.layers.1.input_layernorm.weight"),
        ["heads do not divide"] = ("llama", c => c["num_attention_heads"] = 3, "num_attention_heads"),
        ["odd head"] = ("llama", c => c["num_attention_heads"] = 8, "hidden_size"),
        ["key heads do not divide"] = ("llama", c => (c["num_attention_heads"], c["num_key_value_heads"]) = (4, 3), "num_key_value_heads"),
        ["mistral without key heads: 8"] = ("mistral", c => c.Remove("num_key_value_heads"), "num_key_value_heads"),
        ["activation"] = ("llama", c => c["hidden_act"] = "quick_gelu", "hidden_act"),
        ["epsilon"] = ("llama", c => c["rms_norm_eps"] = -1, "rms_norm_eps"),
        ["partial rotary"] = ("llama", c => c["partial_rotary_factor"] = 0.5, "partial_rotary_factor"),
        ["partial rotary in rope_parameters"] = ("llama", c => c["rope_parameters"] = new JsonObject { ["rope_type"] = "default", ["partial_rotary_factor"] = 0.5 }, "rope_parameters.partial_rotary_factor"),
        ["partial rotary in rope_scaling"] = ("llama", c => c["rope_scaling"] = new JsonObject { ["partial_rotary_factor"] = 0.25 }, "rope_scaling.partial_rotary_factor"),
        ["rotary per layer type"] = ("llama", c => c["rope_parameters"] = new JsonObject { ["full_attention"] = new JsonObject { ["rope_type"] = "default" } }, "rope_parameters.full_attention"),
        ["two rotary sections"] = ("llama", c => (c["rope_parameters"], c["rope_scaling"]) = (new JsonObject { ["rope_type"] = "default" }, new JsonObject { ["type"] = "linear" }), "rope_scaling"),
        ["window on some layers"] = ("llama", c => c["layer_types"] = new JsonArray("sliding_attention"), "layer_types"),
        ["layer of another kind"] = ("qwen2", c => c["layer_types"] = new JsonArray("linear_attention"), "layer_types"),
        ["layer types for other layers"] = ("qwen2", c => c["layer_types"] = new JsonArray("full_attention", "full_attention"), "layer_types"),
        ["rope scaling kind"] = ("llama", c => c["rope_scaling"] = new JsonObject { ["type"] = "spiral", ["factor"] = 2 }, "rope_scaling.type"),
        ["linear without factor"] = ("llama", c => c["rope_scaling"] = new JsonObject { ["type"] = "linear" }, "rope_scaling.factor"),
        ["dynamic factor below one"] = ("llama", c => c["rope_scaling"] = new JsonObject { ["type"] = "dynamic", ["factor"] = 0.5 }, "rope_scaling.factor"),
        ["yarn ramp turned round"] = ("qwen3", c => c["rope_parameters"] = new JsonObject { ["rope_type"] = "yarn", ["factor"] = 4, ["beta_fast"] = 1, ["beta_slow"] = 2 }, "rope_parameters.beta_fast"),
        ["yarn truncate as text"] = ("qwen3", c => c["rope_parameters"] = new JsonObject { ["rope_type"] = "yarn", ["factor"] = 4, ["truncate"] = "no" }, "rope_parameters.truncate"),
        ["longrope of another length"] = ("phi3", c => c["rope_scaling"] = new JsonObject { ["type"] = "longrope", ["short_factor"] = new JsonArray(1), ["long_factor"] = new JsonArray(1, 2) }, "rope_scaling.short_factor"),
        ["longrope negative"] = ("phi3", c => c["rope_scaling"] = new JsonObject { ["type"] = "longrope", ["short_factor"] = new JsonArray(1, 1), ["long_factor"] = new JsonArray(1, -2) }, "rope_scaling.long_factor"),
        ["longrope no list"] = ("phi3", c => c["rope_scaling"] = new JsonObject { ["type"] = "longrope", ["short_factor"] = 1, ["long_factor"] = new JsonArray(1, 2) }, "rope_scaling.short_factor"),
        ["rotary part above one"] = ("phi3", c => c["partial_rotary_factor"] = 1.5, "partial_rotary_factor"),
        ["rotary part of one channel"] = ("phi3", c => c["partial_rotary_factor"] = 0.25, "partial_rotary_factor"),
        ["growing queries without yarn"] = ("llama", c => c["rope_parameters"] = new JsonObject { ["rope_type"] = "default", ["llama_4_scaling_beta"] = 0.1 }, "rope_parameters.llama_4_scaling_beta"),
        ["ministral3 with a base alone"] = ("ministral3", c => c["rope_theta"] = 1e4, "rope_parameters"),
        ["ministral3 with an odd head"] = ("ministral3", c => c["head_dim"] = 3, "head_dim"),
        ["softcap zero"] = ("gemma2", c => c["attn_logit_softcapping"] = 0, "attn_logit_softcapping"),
        ["softcap as text"] = ("gemma2", c => c["final_logit_softcapping"] = "30", "final_logit_softcapping"),
        ["query scalar negative"] = ("gemma2", c => c["query_pre_attn_scalar"] = -1, "query_pre_attn_scalar"),
        ["both directions"] = ("gemma3_text", c => c["use_bidirectional_attention"] = true, "use_bidirectional_attention"),
        ["gemma activation"] = ("gemma2", c => c["hidden_activation"] = 3, "hidden_activation"),
        ["window pattern zero"] = ("gemma3_text", c => c["sliding_window_pattern"] = 0, "sliding_window_pattern"),
        ["local base zero"] = ("gemma3_text", c => c["rope_local_base_freq"] = 0, "rope_local_base_freq"),
        ["one layer type without positions"] = ("gemma3_text", c => c["rope_parameters"] = new JsonObject { ["full_attention"] = new JsonObject { ["rope_type"] = "default" } }, "rope_parameters.sliding_attention"),
        ["granite factor zero"] = ("granite", c => c["residual_multiplier"] = 0, "residual_multiplier"),
        ["granite factor as text"] = ("granite", c => c["logits_scaling"] = "4", "logits_scaling"),
        ["no-rope layers of another length"] = ("smollm3", c => c["no_rope_layers"] = new JsonArray(1, 0), "no_rope_layers"),
        ["no-rope layers of other values"] = ("smollm3", c => c["no_rope_layers"] = new JsonArray(2), "no_rope_layers"),
        ["no-rope interval zero"] = ("smollm3", c => c["no_rope_layer_interval"] = 0, "no_rope_layer_interval"),
        ["nemotron epsilon"] = ("nemotron", c => c["norm_eps"] = 2, "norm_eps"),
        ["rope scaling incomplete"] = ("llama", c => c["rope_scaling"] = new JsonObject { ["rope_type"] = "llama3", ["factor"] = 8 }, "rope_scaling.low_freq_factor"),
        ["rope scaling no object"] = ("llama", c => c["rope_scaling"] = 8, "rope_scaling"),
        ["rope base"] = ("llama", c => c["rope_theta"] = 0, "rope_theta"),
        ["flag as text"] = ("llama", c => c["tie_word_embeddings"] = "yes", "tie_word_embeddings"),
        ["bias announced, absent"] = ("llama", c => c["attention_bias"] = true, "q_proj.bias"),
        ["yarn without factor"] = ("qwen3", c => c["rope_parameters"] = new JsonObject { ["rope_type"] = "yarn", ["original_max_position_embeddings"] = 4 }, "rope_parameters.factor"),
        ["yarn factor below one"] = ("qwen3", c => c["rope_parameters"] = new JsonObject { ["rope_type"] = "yarn", ["factor"] = 0.5 }, "rope_parameters.factor"),
        ["yarn beta"] = ("qwen3", c => c["rope_parameters"] = new JsonObject { ["rope_type"] = "yarn", ["factor"] = 4, ["beta_slow"] = 0 }, "rope_parameters.beta_slow"),
        ["yarn mscale"] = ("ministral3", c => c["rope_parameters"] = new JsonObject { ["rope_type"] = "yarn", ["factor"] = 4, ["mscale"] = -1 }, "rope_parameters.mscale"),
        ["yarn original"] = ("qwen3", c => c["rope_parameters"] = new JsonObject { ["rope_type"] = "yarn", ["factor"] = 4, ["original_max_position_embeddings"] = 0 }, "rope_parameters.original_max_position_embeddings"),
        ["growing queries negative"] = ("ministral3", c => c["rope_parameters"] = new JsonObject { ["rope_type"] = "yarn", ["factor"] = 4, ["llama_4_scaling_beta"] = -0.1 }, "rope_parameters.llama_4_scaling_beta"),
        ["two original lengths"] = ("phi3", c => (c["original_max_position_embeddings"], c["rope_scaling"]) = (8, new JsonObject { ["type"] = "longrope", ["short_factor"] = new JsonArray(1, 1), ["long_factor"] = new JsonArray(1, 2), ["original_max_position_embeddings"] = 4 }), "rope_scaling.original_max_position_embeddings"),
        ["two rotary parts"] = ("phi3", c => (c["partial_rotary_factor"], c["rope_parameters"]) = (0.5, new JsonObject { ["rope_type"] = "default", ["partial_rotary_factor"] = 1 }), "rope_parameters.partial_rotary_factor"),
        ["longrope without factors"] = ("phi3", c => c["rope_scaling"] = new JsonObject { ["type"] = "longrope", ["short_factor"] = new JsonArray(1, 1) }, "rope_scaling.long_factor"),
        ["rotary part zero"] = ("nemotron", c => c["partial_rotary_factor"] = 0, "partial_rotary_factor"),
        ["rotary part negative"] = ("nemotron", c => c["partial_rotary_factor"] = -0.5, "partial_rotary_factor"),
        ["odd explicit head"] = ("qwen3", c => c["head_dim"] = 3, "head_dim"),
        ["head of one"] = ("qwen3", c => c["head_dim"] = 1, "head_dim"),
        ["window negative"] = ("mistral", c => c["sliding_window"] = -1, "sliding_window"),
        ["window zero"] = ("gemma2", c => c["sliding_window"] = 0, "sliding_window"),
        ["window as text"] = ("phi3", c => c["sliding_window"] = "64", "sliding_window"),
        ["window flag as number"] = ("qwen3", c => c["use_sliding_window"] = 1, "use_sliding_window"),
        ["window layers negative"] = ("qwen3", c => c["max_window_layers"] = -1, "max_window_layers"),
        ["window layers without a window"] = ("gemma2", c => (c["sliding_window"], c["layer_types"]) = (null, new JsonArray("sliding_attention")), "layer_types"),
        ["layer types no list"] = ("olmo3", c => c["layer_types"] = "full_attention", "layer_types"),
        ["layer type as number"] = ("olmo3", c => c["layer_types"] = new JsonArray(1), "layer_types"),
        ["rotary per layer type as number"] = ("olmo3", c => c["rope_parameters"] = new JsonObject { ["full_attention"] = new JsonObject(), ["sliding_attention"] = 1 }, "rope_parameters.sliding_attention"),
        ["rotary of a layer type"] = ("gemma3_text", c => c["rope_parameters"] = new JsonObject { ["full_attention"] = new JsonObject { ["rope_type"] = "linear" }, ["sliding_attention"] = new JsonObject() }, "rope_parameters.full_attention.factor"),
        ["softcap negative"] = ("gemma2", c => c["final_logit_softcapping"] = -30, "final_logit_softcapping"),
        ["granite embedding factor huge"] = ("granite", c => c["embedding_multiplier"] = 1e300, "embedding_multiplier"),
        ["granite attention factor negative"] = ("granite", c => c["attention_multiplier"] = -1, "attention_multiplier"),
        ["attention bias as text"] = ("olmo2", c => c["attention_bias"] = "no", "attention_bias"),
        ["text section no object"] = ("gemma3_text", c => c["text_config"] = 1, "text_config"),
        ["text section of another type"] = ("llama", c => c["text_config"] = new JsonObject { ["model_type"] = "clip" }, "model_type"),
        ["tied as number in a text section"] = ("llama", c => c["text_config"] = new JsonObject { ["model_type"] = "llama", ["tie_word_embeddings"] = 1 }, "tie_word_embeddings"),
        ["FP8"] = ("llama", c => c["quantization_config"] = new JsonObject { ["quant_method"] = "fp8" }, "(fp8)"),
        ["FP8 in a text section"] = ("llama", c => c["text_config"] = new JsonObject { ["model_type"] = "llama", ["quantization_config"] = new JsonObject { ["quant_method"] = "fp8" } }, "text_config.quantization_config"),
        ["other tool's quantization"] = ("llama", c => c["quantization_config"] = new JsonObject { ["quant_method"] = "gptq" }, "quantization_config"),
        ["vocabulary of other size"] = ("llama", c => c["vocab_size"] = 15, "model.embed_tokens.weight"),
        ["opt norm after"] = ("opt", c => c["do_layer_norm_before"] = false, "do_layer_norm_before"),
        ["opt projection"] = ("opt", c => c["word_embed_proj_dim"] = 4, "word_embed_proj_dim"),
        ["opt activation"] = ("opt", c => c["activation_function"] = "tanh", "activation_function"),
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
        Assert.Equal(500000.0, old.Blocks[0].Rotary!.Base);
        Assert.Equal(new WavelengthRotaryScaling(8, 1, 4, 8192), old.Blocks[0].Rotary!.Scaling);
        scaling["rope_theta"] = 500000.0;
        ModelConfig current = Config("llama", c => c["rope_parameters"] = scaling);
        Assert.Equal(old.Blocks[0].Rotary, current.Blocks[0].Rotary);
        Assert.Null(Config("llama", c => c["rope_scaling"] = new JsonObject { ["rope_type"] = "default" }).Blocks[0].Rotary!.Scaling);
    }

    [Fact]
    public void A_sliding_window_holds_for_all_layers()
    {
        Assert.Equal((10, 4), Window(Config("mistral", c => c["sliding_window"] = 4)));
        Assert.Equal((10, 0), Window(Config("mistral", c => c["sliding_window"] = 4096)));
        Assert.Equal((10, 0), Window(Config("mistral", c => c["sliding_window"] = null)));
        Assert.Equal((10, 4), Window(Config("phi3", c => c["sliding_window"] = 4)));
        Assert.Equal((10, 0), Window(Config("qwen2", c => (c["sliding_window"], c["use_sliding_window"]) = (4, false))));
        Assert.Equal((10, 4), Window(Config("qwen2", c => (c["sliding_window"], c["use_sliding_window"], c["max_window_layers"]) = (4, true, 0))));
    }

    [Fact]
    public void Windows_are_said()
    {
        Assert.Equal("context 32,768, windows of 4,096", Config("mistral", c => c["max_position_embeddings"] = 32768).ContextText);
        Assert.Equal("context 32,768", Config("mistral", c => (c["max_position_embeddings"], c["sliding_window"]) = (32768, null)).ContextText);
        Assert.Equal("context 8,192, windows of 4,096 on 13 of 26 layers", Config("gemma2", c => Only(c, "gemma2")).ContextText);
        Assert.Equal("context 10", Config("llama", c => { }).ContextText);
    }

    [Fact]
    public void Qwen2_has_a_window_on_the_layers_that_it_names()
    {
        const int None = 0, Wide = 4;
        int Of(Action<JsonObject> edit) => Window(Config("qwen2", c =>
        {
            (c["sliding_window"], c["use_sliding_window"]) = (Wide, true);
            edit(c);
        })).Window;
        Assert.Equal(None, Of(c => { })); // From layer 28 on, where nothing else is said.
        Assert.Equal(None, Of(c => c["max_window_layers"] = 1));
        Assert.Equal(Wide, Of(c => c["max_window_layers"] = 0));
        Assert.Equal(Wide, Of(c => c["layer_types"] = new JsonArray("sliding_attention")));
        Assert.Equal(None, Of(c => (c["layer_types"], c["max_window_layers"]) = (new JsonArray("full_attention"), 0)));
        Assert.Equal(None, Of(c => (c["layer_types"], c["use_sliding_window"]) = (new JsonArray("sliding_attention"), false)));
        Assert.Equal(None, Of(c => (c["max_window_layers"], c["sliding_window"]) = (0, null)));
    }

    /// <summary>What a family has on its layers where the file says nothing.</summary>
    [Fact]
    public void Layers_follow_their_familys_pattern()
    {
        ModelConfig gemma3 = Config("gemma3_text", c => Only(c, "gemma3_text")), olmo3 = Config("olmo3", c => (c["model_type"], c["max_position_embeddings"], c["num_hidden_layers"]) = ("olmo3", 8192, 8)), smol = Config("smollm3", c => Only(c, "smollm3"));
        Assert.Equal([4096, 4096, 4096, 4096, 4096, 0], gemma3.Blocks.Take(6).Select(b => b.Attention.Window));
        Assert.Equal((10000, 1e6), (gemma3.Blocks[0].Rotary!.Base, gemma3.Blocks[5].Rotary!.Base));
        Assert.Equal([4096, 4096, 4096, 0], olmo3.Blocks.Take(4).Select(b => b.Attention.Window));
        Assert.Equal([true, true, true, false], smol.Blocks.Take(4).Select(b => b.Rotary is not null));
        Assert.Equal(512, Config("llama", c => (c["max_position_embeddings"], c["rope_scaling"]) = (256, new JsonObject { ["rope_type"] = "dynamic", ["factor"] = 2.0 })).MaximumPositions);
    }

    /// <summary>What the reference implementation does where one guesses otherwise.</summary>
    [Fact]
    public void FamiliesDoNotDoWhatOneGuesses()
    {
        // Gemma: the root of the width in f32; scores by query_pre_attn_scalar, not by the head; scaling and the long base on full layers alone.
        ModelConfig gemma2 = Config("gemma2", c => (c["query_pre_attn_scalar"], c["hidden_size"]) = (144, 128)), gemma3 = Config("gemma3_text", c => (c["num_hidden_layers"], c["rope_scaling"], c["rope_theta"]) = (6, new JsonObject { ["rope_type"] = "linear", ["factor"] = 8.0 }, 5e5));
        Assert.Equal((11.3137085f, 1 / 12f), (gemma2.EmbeddingScale, gemma2.Blocks[0].Attention.Scale));
        Assert.Equal((50f, 30f), (gemma2.Blocks[0].Attention.Softcap, gemma2.LogitSoftcap));
        Assert.Equal(1 / 16f, Config("gemma2", c => { }).Blocks[0].Attention.Scale);
        Assert.Equal((new RotaryLayout(256, 1e4), new RotaryLayout(256, 5e5, new LinearRotaryScaling(8))), (gemma3.Blocks[0].Rotary, gemma3.Blocks[5].Rotary));
        Assert.Equal((0f, 0f, QueryKeyNorm.Heads, NormPlace.Both), (gemma3.Blocks[0].Attention.Softcap, gemma3.LogitSoftcap, gemma3.Blocks[0].Attention.QueryKeyNorm, gemma3.Blocks[0].NormPlace));

        // Granite: a factor in place of 1/√d, logits divided. OLMo 2: norms behind the parts, of all heads together.
        ModelConfig granite = Config("granite", c => (c["attention_multiplier"], c["logits_scaling"], c["embedding_multiplier"], c["residual_multiplier"]) = (0.02, 4.0, 12.0, 0.25));
        Assert.Equal((0.02f, 0.25f, 12f, 0.25f), (granite.Blocks[0].Attention.Scale, granite.LogitScale, granite.EmbeddingScale, granite.ResidualScale));
        BlockLayout olmo2 = Config("olmo2", c => { }).Blocks[0];
        Assert.Equal((NormPlace.After, QueryKeyNorm.Width), (olmo2.NormPlace, olmo2.Attention.QueryKeyNorm));

        // SmolLM3: 1 means rotary. Nemotron: LayerNorm and an ungated MLP of relu², half of a head turns.
        Assert.Equal([true, false], Config("smollm3", c => (c["num_hidden_layers"], c["no_rope_layers"]) = (2, new JsonArray(1, 0))).Blocks.Select(b => b.Rotary is not null));
        BlockLayout nemotron = Config("nemotron", c => { }).Blocks[0];
        Assert.Equal((NormKind.Layer, ActivationKind.SquaredRelu, false, 2), (nemotron.Norm, nemotron.Activation, nemotron.Gated, nemotron.Rotary!.Dimensions));
        Assert.True(Portable.Models.Architectures.Nemotron.Architecture.Names.GainsExceedOne && Portable.Models.Architectures.Gemma2.Architecture.Names.GainsExceedOne);

        // OLMo 3: scaling on full layers alone.
        ModelConfig olmo3 = Config("olmo3", c => (c["num_hidden_layers"], c["rope_theta"], c["rope_scaling"]) = (4, 5e5, new JsonObject { ["rope_type"] = "linear", ["factor"] = 8.0 }));
        Assert.Equal((new RotaryLayout(4, 5e5), new RotaryLayout(4, 5e5, new LinearRotaryScaling(8))), (olmo3.Blocks[0].Rotary, olmo3.Blocks[3].Rotary));

        // Ministral 3: stretched where the file says nothing; queries grow by ⌊position / original⌋, whole.
        YarnRotaryScaling grown = (YarnRotaryScaling)Config("ministral3", c => c["rope_parameters"] = new JsonObject { ["rope_type"] = "yarn", ["factor"] = 4.0, ["original_max_position_embeddings"] = 100, ["llama_4_scaling_beta"] = 0.5 }).Blocks[0].Rotary!.Scaling!;
        Assert.Equal(new RotaryLayout(128, 1e6, new YarnRotaryScaling(16, 16384, 32, 1, true, 1, 0.1)), Config("ministral3", c => { }).Blocks[0].Rotary);
        Assert.All([(0, 1), (99, 1), (100, 2), (199, 2), (200, 3)], ((int Position, int Stretch) at) => Assert.Equal(1 + 0.5 * Math.Log(at.Stretch), grown.QueryFactor(at.Position), 1e-12));
    }

    /// <summary>The factor of cosines and sines: 0.1·ln f + 1 unless mscale and mscale_all_dim give a ratio; longrope's holds for short sequences, too.</summary>
    [Theory]
    [InlineData("qwen3", """{"rope_type": "yarn", "factor": 4.0, "original_max_position_embeddings": 4}""", 1.1386294361119891)]
    [InlineData("qwen3", """{"rope_type": "yarn", "factor": null, "original_max_position_embeddings": 5}""", 1.0693147180559945)]
    [InlineData("qwen3", """{"rope_type": "yarn", "factor": 4.0, "mscale": 1.0}""", 1.1386294361119891)]
    [InlineData("qwen3", """{"rope_type": "yarn", "factor": 4.0, "mscale": 1.0, "mscale_all_dim": 1.0}""", 1)]
    [InlineData("qwen3", """{"rope_type": "yarn", "factor": 4.0, "mscale": 2.0, "mscale_all_dim": 1.0}""", 1.121751143713058)]
    [InlineData("qwen3", """{"rope_type": "yarn", "factor": 4.0, "attention_factor": 1.5}""", 1.5)]
    [InlineData("phi3", """{"type": "longrope", "short_factor": [1, 1], "long_factor": [1, 2], "original_max_position_embeddings": 5}""", 1.1961089240003993)]
    [InlineData("phi3", """{"type": "longrope", "short_factor": [1, 1], "long_factor": [1, 2], "original_max_position_embeddings": 5, "factor": 4.0}""", 1.3643141559577787)]
    [InlineData("phi3", """{"type": "longrope", "short_factor": [1, 1], "long_factor": [1, 2]}""", 1)] // Trained on 4,096 positions, more than it has.
    [InlineData("phi3", """{"type": "su", "short_factor": [1, 1], "long_factor": [1, 2], "attention_factor": 1.25}""", 1.25)]
    public void CosinesAndSinesHaveAFactor(string type, string section, double amplitude)
    {
        RotaryLayout rotary = Config(type, c => (c["head_dim"], c["rope_scaling"]) = (4, JsonNode.Parse(section))).Blocks[0].Rotary!;
        Assert.Equal(amplitude, rotary.Scaling!.Amplitude, 1e-12);
        Assert.Equal((float)amplitude, rotary.Table(3).Cosine(0)[0], 1e-6f);
    }

    /// <summary>A length before scaling stands in the section or beside it; without either it is the context, and for Phi-3 4,096.</summary>
    [Fact]
    public void OriginalLengthsStandInEitherPlace()
    {
        static int Of(string type, string scaling, int? beside) => Config(type, c =>
        {
            (c["head_dim"], c["rope_scaling"]) = (4, JsonNode.Parse(scaling));
            if (beside is { } original)
            {
                c["original_max_position_embeddings"] = original;
            }
        }).Blocks[0].Rotary!.Scaling switch { YarnRotaryScaling yarn => yarn.OriginalMaximumPositions, LongRotaryScaling longrope => longrope.OriginalMaximumPositions, WavelengthRotaryScaling llama => llama.OriginalMaximumPositions, _ => 0 };
        const string Yarn = """{"rope_type": "yarn", "factor": 4.0}""", Long = """{"type": "longrope", "short_factor": [1, 1], "long_factor": [1, 2]}""", Llama = """{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 6}""";
        Assert.Equal((10, 7, 4096, 7, 6, 6), (Of("qwen3", Yarn, null), Of("qwen3", Yarn, 7), Of("phi3", Long, null), Of("phi3", Long, 7), Of("llama", Llama, null), Of("llama", Llama, 6)));
    }

    /// <summary>Sections per layer type that leave their bases out: the families', or those beside them.</summary>
    [Fact]
    public void LayerTypesHaveBasesOfTheirOwn()
    {
        static (double, double) Bases(Action<JsonObject> edit)
        {
            ModelConfig config = Config("gemma3_text", c =>
            {
                (c["num_hidden_layers"], c["rope_parameters"]) = (6, new JsonObject { ["full_attention"] = new JsonObject { ["rope_type"] = "default" }, ["sliding_attention"] = new JsonObject { ["rope_type"] = "default" } });
                edit(c);
            });
            return (config.Blocks[5].Rotary!.Base, config.Blocks[0].Rotary!.Base);
        }

        Assert.Equal((1e6, 1e4), Bases(c => { }));
        Assert.Equal((5e5, 2e4), Bases(c => (c["rope_theta"], c["rope_local_base_freq"]) = (5e5, 2e4)));
        Assert.Equal((7e5, 3e4), Bases(c => (c["rope_theta"], c["rope_parameters"]!["full_attention"]!["rope_theta"], c["rope_parameters"]!["sliding_attention"]!["rope_theta"]) = (5e5, 7e5, 3e4)));
    }

    [Theory]
    [InlineData("""{"rope_scaling": {}}""", 10000)]
    [InlineData("""{"rope_scaling": null}""", 10000)]
    [InlineData("""{"rope_parameters": {}}""", 10000)]
    [InlineData("""{"rope_parameters": {"rope_theta": 500000.0}}""", 500000)]
    [InlineData("""{"rope_theta": 500000.0, "rope_parameters": {"partial_rotary_factor": 1.0}}""", 500000)]
    [InlineData("""{"rope_parameters": {"rope_theta": 70.0}, "rope_scaling": {"rope_theta": 70.0}}""", 70)]
    public void Rotary_parameters_without_a_type_mean_no_scaling(string fields, double rotaryBase)
    {
        ModelConfig config = Config("llama", c =>
        {
            foreach ((string name, JsonNode? value) in JsonNode.Parse(fields)!.AsObject())
            {
                c[name] = value?.DeepClone();
            }
        });
        Assert.Equal(new RotaryLayout(4, rotaryBase), config.Blocks[0].Rotary);
    }

    [Theory]
    [InlineData("llama", 4096, 11008, 32, 32, 32, 32000, 2048, 1, 2)]
    [InlineData("mistral", 4096, 14336, 32, 32, 8, 32000, 131072, 1, 2)]
    [InlineData("qwen2", 4096, 22016, 32, 32, 32, 151936, 32768, null, null)]
    [InlineData("opt", 768, 3072, 12, 12, 12, 50272, 2048, 2, 2)]
    public void Omitted_fields_take_their_familys_defaults(string type, int hidden, int inner, int layers, int heads, int keyHeads, int vocabulary, int positions, int? begin, int? end)
    {
        ModelConfig config = Config(type, c => Only(c, type));
        Assert.Equal(
            (hidden, inner, layers, heads, keyHeads, vocabulary, positions),
            (config.HiddenSize, config.Blocks[0].Intermediate, config.Layers, config.Blocks[0].Attention.Heads, config.Blocks[0].Attention.KeyValueHeads, config.VocabularySize, config.MaximumPositions));
        Assert.Equal(begin, config.BeginToken);
        Assert.Equal(end is { } id ? [id] : [], config.EndTokens);
        Assert.Equal(type == "opt", config.TiedEmbeddings);
        Assert.Empty(config.Notes);
    }

    [Fact]
    public void Null_key_heads_mean_as_many_as_heads_and_null_tokens_none()
    {
        Assert.Equal(2, Config("mistral", c => c["num_key_value_heads"] = null).Blocks[0].Attention.KeyValueHeads);
        ModelConfig config = Config("llama", c => (c["bos_token_id"], c["eos_token_id"]) = (null, null));
        Assert.Null(config.BeginToken);
        Assert.Empty(config.EndTokens);
    }

    [Theory]
    [InlineData("-1", null)]
    [InlineData("16", "bos_token_id")]
    [InlineData("\"1\"", "bos_token_id")]
    [InlineData("1.5", "bos_token_id")]
    public void A_begin_token_outside_the_vocabulary_is_none_and_said(string value, string? said)
    {
        ModelConfig config = Config("llama", c => (c["bos_token_id"], c["pad_token_id"]) = (JsonNode.Parse(value), JsonNode.Parse(value)));
        Assert.Null(config.BeginToken);
        Assert.Equal(said is null ? 0 : 1, config.Notes.Count);
        Assert.All(config.Notes, note => Assert.Contains(said!, note, StringComparison.Ordinal));
    }

    [Theory]
    [InlineData("{")]
    [InlineData("[]")]
    [InlineData("""{"eos_token_id": [5, 99]}""")]
    public void A_broken_generation_config_is_a_note(string text)
    {
        using TinyCheckpoint checkpoint = new(config: c => c["eos_token_id"] = new JsonArray(2, 16));
        File.WriteAllText(Path.Combine(checkpoint.Directory, "generation_config.json"), text);
        ModelConfig config = ConfigFile.Read(checkpoint.Directory);
        Assert.Equal(text.Contains('5', StringComparison.Ordinal) ? [2, 5] : [2], config.EndTokens);
        Assert.Collection(
            config.Notes,
            note => Assert.Contains("config.json: field 'eos_token_id': 16 is not a token id", note, StringComparison.Ordinal),
            note => Assert.Contains("generation_config.json", note, StringComparison.Ordinal));
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

    private static (int Positions, int Window) Window(ModelConfig config) => (config.MaximumPositions, config.Blocks[^1].Attention.Window);

    /// <summary>A file that says its model_type alone.</summary>
    private static void Only(JsonObject config, string type)
    {
        config.Clear();
        config["model_type"] = type;
    }
}
