using System.Text.Json;
using Portable.Checkpoints.Files;
using Portable.Models;
using Portable.Reference.Arithmetic;

namespace Portable.Checkpoints.HuggingFace;

/// <summary>
/// Reads config.json of the LLaMA family (llama, mistral, qwen2) and of OPT. What would change the computation and is not
/// implemented is refused by name, never ignored.
/// </summary>
internal static class ConfigFile
{
    /// <summary>Name of the file in a checkpoint directory.</summary>
    public const string FileName = "config.json";

    // Generous, and small enough that every product of two of them fits 64 bits.
    private const int LargestSize = 1 << 24;
    private const int LargestDepth = 10_000;

    /// <summary>Reads the configuration in a checkpoint directory.</summary>
    /// <exception cref="CheckpointException">Missing, damaged, or a model that Portable does not run.</exception>
    public static ModelConfig Read(string directory)
    {
        string path = Path.Combine(directory, FileName);
        using JsonDocument document = JsonFile.Read(path);
        JsonFields fields = new(path, document.RootElement);
        string type = fields.Text("model_type");
        ModelConfig config = FamilyDefaults.TryFind(type) is not { } defaults
            ? throw fields.Error("model_type", $"'{type}' is not supported; Portable runs {string.Join(", ", FamilyDefaults.Names)}")
            : type == "opt" ? ReadOpt(fields, defaults) : ReadLlama(fields, type, defaults);
        return SpecialTokens.Read(directory, fields, defaults, config);
    }

    private static ModelConfig ReadLlama(JsonFields fields, string type, FamilyDefaults defaults)
    {
        int hidden = fields.Integer("hidden_size", 1, LargestSize, defaults.HiddenSize), heads = fields.Integer("num_attention_heads", 1, LargestSize, defaults.Heads);
        // An explicit null means one key head per query head, in every family.
        int keyValueHeads = fields.Integer("num_key_value_heads", 1, heads, fields.IsNull("num_key_value_heads") ? heads : defaults.KeyValueHeads ?? heads);
        if (heads % keyValueHeads != 0)
        {
            throw fields.Error("num_key_value_heads", $"{keyValueHeads}{(fields.Has("num_key_value_heads") ? "" : $", the default of {type},")} does not divide num_attention_heads {heads}");
        }

        if (!fields.Has("head_dim") && hidden % heads != 0)
        {
            throw fields.Error("num_attention_heads", $"{heads} does not divide hidden_size {hidden}");
        }

        int headSize = fields.Integer("head_dim", 2, LargestSize, hidden / heads);
        if (headSize % 2 != 0)
        {
            throw fields.Error(fields.Has("head_dim") ? "head_dim" : "hidden_size", $"a head of {headSize} channels cannot be rotated in pairs");
        }

        RequireOneOf(fields, "hidden_act", "silu", "silu", "swish");
        int positions = fields.Integer("max_position_embeddings", 1, int.MaxValue, defaults.Positions), layers = fields.Integer("num_hidden_layers", 1, LargestDepth, defaults.Layers);
        (double rotaryBase, RotaryScaling? scaling) = RotaryFields.Read(fields, positions);
        int? window = WindowFields.Read(fields, type, layers);
        return new ModelConfig
        {
            Family = ModelFamily.Llama,
            ModelType = type,
            HiddenSize = hidden,
            IntermediateSize = fields.Integer("intermediate_size", 1, LargestSize, defaults.IntermediateSize),
            Layers = layers,
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            HeadSize = headSize,
            VocabularySize = fields.Integer("vocab_size", 1, LargestSize, defaults.VocabularySize),
            // Positions within a sliding window attend to all others: up to there the window changes nothing, so the
            // context ends at it.
            MaximumPositions = Math.Min(positions, window ?? int.MaxValue),
            ContextIsWindow = window < positions,
            NormEpsilon = (float)fields.Number("rms_norm_eps", 1e-12, 1, 1e-6),
            RotaryBase = rotaryBase,
            RotaryScaling = scaling,
            TiedEmbeddings = fields.Flag("tie_word_embeddings", false),
        };
    }

    private static ModelConfig ReadOpt(JsonFields fields, FamilyDefaults defaults)
    {
        int hidden = fields.Integer("hidden_size", 1, LargestSize, defaults.HiddenSize), heads = fields.Integer("num_attention_heads", 1, LargestSize, defaults.Heads);
        if (hidden % heads != 0)
        {
            throw fields.Error("num_attention_heads", $"{heads} does not divide hidden_size {hidden}");
        }

        RequireOneOf(fields, "activation_function", "relu", "relu");
        RequireFlag(fields, "do_layer_norm_before", true);
        RequireFlag(fields, "_remove_final_layer_norm", false);
        RequireFlag(fields, "layer_norm_elementwise_affine", true);
        if (fields.Integer("word_embed_proj_dim", 1, LargestSize, hidden) != hidden)
        {
            throw fields.Error("word_embed_proj_dim", $"projected embeddings are not supported; it must equal hidden_size {hidden}");
        }

        return new ModelConfig
        {
            Family = ModelFamily.Opt,
            ModelType = "opt",
            HiddenSize = hidden,
            IntermediateSize = fields.Integer("ffn_dim", 1, LargestSize, defaults.IntermediateSize),
            Layers = fields.Integer("num_hidden_layers", 1, LargestDepth, defaults.Layers),
            Heads = heads,
            KeyValueHeads = heads,
            HeadSize = hidden / heads,
            VocabularySize = fields.Integer("vocab_size", 1, LargestSize, defaults.VocabularySize),
            MaximumPositions = fields.Integer("max_position_embeddings", 1, LargestSize, defaults.Positions),
            NormEpsilon = 1e-5f, // Fixed by the architecture, not a field.
            TiedEmbeddings = fields.Flag("tie_word_embeddings", true),
        };
    }

    private static void RequireFlag(JsonFields fields, string name, bool value)
    {
        if (fields.Flag(name, value) != value)
        {
            throw fields.Error(name, $"{(value ? "false" : "true")} is not supported");
        }
    }

    private static void RequireOneOf(JsonFields fields, string name, string absent, params ReadOnlySpan<string> values)
    {
        string value = fields.Text(name, absent);
        if (!values.Contains(value))
        {
            throw fields.Error(name, $"'{value}' is not supported; expected '{values[0]}'");
        }
    }
}
