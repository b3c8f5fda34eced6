using System.Text.Json;
using Portable.Checkpoints.Files;
using Portable.Models;
using Portable.Reference.Arithmetic;

namespace Portable.Checkpoints.HuggingFace;

/// <summary>
/// Reads config.json of the LLaMA family (llama, mistral, qwen2) and of OPT. What would change the computation and is not
/// implemented is refused by name, never ignored.
/// </summary>
public static class ConfigFile
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
        ModelConfig config = type switch
        {
            "llama" or "mistral" or "qwen2" => ReadLlama(fields, type),
            "opt" => ReadOpt(fields),
            _ => throw fields.Error("model_type", $"'{type}' is not supported; Portable runs llama, mistral, qwen2 and opt"),
        };
        return config with
        {
            BeginToken = fields.TokenIds("bos_token_id", config.VocabularySize) is [int begin, ..] ? begin : null,
            EndTokens = EndTokens(directory, fields, config.VocabularySize),
        };
    }

    private static ModelConfig ReadLlama(JsonFields fields, string type)
    {
        int hidden = fields.Integer("hidden_size", 1, LargestSize), heads = fields.Integer("num_attention_heads", 1, LargestSize);
        // Mistral and Qwen2 have their own defaults for this one; a file without it is not worth guessing about.
        int keyValueHeads = type == "llama" ? fields.Integer("num_key_value_heads", 1, heads, heads) : fields.Integer("num_key_value_heads", 1, heads);
        if (heads % keyValueHeads != 0)
        {
            throw fields.Error("num_key_value_heads", $"{keyValueHeads} does not divide num_attention_heads {heads}");
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
        RequireNumber(fields, "partial_rotary_factor", 1);
        int positions = fields.Integer("max_position_embeddings", 1, int.MaxValue, 2048);
        (double rotaryBase, RotaryScaling? scaling) = RotaryFields.Read(fields, positions);
        return new ModelConfig
        {
            Family = ModelFamily.Llama,
            ModelType = type,
            HiddenSize = hidden,
            IntermediateSize = fields.Integer("intermediate_size", 1, LargestSize),
            Layers = fields.Integer("num_hidden_layers", 1, LargestDepth),
            Heads = heads,
            KeyValueHeads = keyValueHeads,
            HeadSize = headSize,
            VocabularySize = fields.Integer("vocab_size", 1, LargestSize),
            // Positions within a sliding window attend to all others: up to there the window changes nothing, so the
            // context ends at it.
            MaximumPositions = Math.Min(positions, SlidingWindow(fields, type)),
            NormEpsilon = (float)fields.Number("rms_norm_eps", 1e-12, 1, 1e-6),
            RotaryBase = rotaryBase,
            RotaryScaling = scaling,
            TiedEmbeddings = fields.Flag("tie_word_embeddings", false),
        };
    }

    private static ModelConfig ReadOpt(JsonFields fields)
    {
        int hidden = fields.Integer("hidden_size", 1, LargestSize), heads = fields.Integer("num_attention_heads", 1, LargestSize);
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
            IntermediateSize = fields.Integer("ffn_dim", 1, LargestSize),
            Layers = fields.Integer("num_hidden_layers", 1, LargestDepth),
            Heads = heads,
            KeyValueHeads = heads,
            HeadSize = hidden / heads,
            VocabularySize = fields.Integer("vocab_size", 1, LargestSize),
            MaximumPositions = fields.Integer("max_position_embeddings", 1, LargestSize),
            NormEpsilon = 1e-5f, // Fixed by the architecture, not a field.
            TiedEmbeddings = fields.Flag("tie_word_embeddings", true),
        };
    }

    private static int SlidingWindow(JsonFields fields, string type)
    {
        // Qwen2 files carry a window that only counts when this flag says so.
        bool used = fields.Has("sliding_window") && (type != "qwen2" || fields.Flag("use_sliding_window", false));
        return used ? fields.Integer("sliding_window", 1, int.MaxValue) : int.MaxValue;
    }

    private static int[] EndTokens(string directory, JsonFields fields, int vocabulary)
    {
        int[] tokens = fields.TokenIds("eos_token_id", vocabulary);
        string path = Path.Combine(directory, "generation_config.json");
        if (!File.Exists(path))
        {
            return tokens;
        }

        using JsonDocument document = JsonFile.Read(path);
        return [.. tokens.Union(new JsonFields(path, document.RootElement).TokenIds("eos_token_id", vocabulary))];
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

    private static void RequireNumber(JsonFields fields, string name, double value)
    {
        if (fields.Number(name, double.MinValue, double.MaxValue, value) != value)
        {
            throw fields.Error(name, FormattableString.Invariant($"only {value} is supported"));
        }
    }
}
