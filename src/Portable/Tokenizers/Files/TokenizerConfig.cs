using System.Text.Json;
using Portable.Checkpoints;
using Portable.Checkpoints.Files;
using Portable.Tokenizers.Pipeline;

namespace Portable.Tokenizers.Files;

/// <summary>
/// What the small files beside a vocabulary say: <c>tokenizer_config.json</c>, <c>special_tokens_map.json</c>,
/// <c>added_tokens.json</c>.
/// </summary>
internal sealed class TokenizerConfig
{
    /// <summary>File names.</summary>
    public const string FileName = "tokenizer_config.json", MapName = "special_tokens_map.json", AddedName = "added_tokens.json";

    /// <summary>Texts of tokens that have a role, by its name ("bos_token"); tokenizer_config.json's word counts most.</summary>
    public Dictionary<string, string> Named { get; } = [];

    /// <summary>Tokens that the files add to a vocabulary, with ids.</summary>
    public Dictionary<string, AddedToken> Added { get; } = [];

    /// <summary>Texts of special tokens without an id of their own.</summary>
    public HashSet<string> Special { get; } = [];

    /// <summary>Whether a begin token is wanted, where it is said.</summary>
    public bool? AddBegin { get; private set; }

    /// <summary>Whether an end token is wanted, where it is said.</summary>
    public bool? AddEnd { get; private set; }

    /// <summary>Whether each stretch of text between added tokens begins as a text does (the default of the reference implementation).</summary>
    public bool Legacy { get; private set; } = true;

    /// <summary>Reads those of the files that are there.</summary>
    /// <exception cref="CheckpointException">One is malformed.</exception>
    public static TokenizerConfig Read(string directory)
    {
        TokenizerConfig config = new();
        config.Open(directory, AddedName, (file, root) =>
        {
            foreach (JsonProperty token in root.EnumerateObject())
            {
                config.Added[token.Name] = new(token.Name, token.Value.GetInt32());
            }
        });
        config.Open(directory, MapName, config.ReadNamed);
        config.Open(directory, FileName, (file, root) =>
        {
            config.ReadNamed(file, root);
            StepFields fields = new(file, "the tokenizer's config", root);
            (config.AddBegin, config.AddEnd) = (fields.Flag("add_bos_token"), fields.Flag("add_eos_token"));
            config.Legacy = fields.Flag("legacy") ?? true;
            if (root.TryGetProperty("added_tokens_decoder", out JsonElement decoder) && decoder.ValueKind == JsonValueKind.Object)
            {
                foreach (JsonProperty entry in decoder.EnumerateObject())
                {
                    StepFields token = new(file, "added token", entry.Value);
                    string content = token.RequiredText("content");
                    config.Added[content] = int.TryParse(entry.Name, out int id) && id >= 0 ? ReadAdded(token, content, id) : throw token.Malformed("id");
                }
            }
        });
        return config;
    }

    /// <summary>An added token with its flags.</summary>
    public static AddedToken ReadAdded(StepFields fields, string content, int id) => new(content, id)
    {
        Special = fields.Flag("special") ?? false,
        Normalized = fields.Flag("normalized") ?? true,
        SingleWord = fields.Flag("single_word") ?? false,
        LeftStrip = fields.Flag("lstrip") ?? false,
        RightStrip = fields.Flag("rstrip") ?? false,
    };

    private void ReadNamed(string file, JsonElement root)
    {
        foreach (JsonProperty property in root.EnumerateObject())
        {
            if (property.Name.EndsWith("_token", StringComparison.Ordinal) && Content(property.Value) is { } content)
            {
                Named[property.Name] = content;
                Special.Add(content);
            }
            else if (property.Name == "additional_special_tokens" && property.Value.ValueKind == JsonValueKind.Array)
            {
                Special.UnionWith(property.Value.EnumerateArray().Select(Content).OfType<string>());
            }
        }
    }

    // A token is its text, or an object that has it.
    private static string? Content(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.String => value.GetString(),
        JsonValueKind.Object when value.TryGetProperty("content", out JsonElement content) && content.ValueKind == JsonValueKind.String => content.GetString(),
        _ => null,
    };

    private void Open(string directory, string name, Action<string, JsonElement> read)
    {
        string file = Path.Combine(directory, name);
        if (!File.Exists(file))
        {
            return;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(JsonFile.Text(file, int.MaxValue));
            read(file, document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or FormatException or IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(file, e is IOException or UnauthorizedAccessException ? e.Message : $"not what it should be ({JsonFault.Words(e)})", inner: e);
        }
    }
}
