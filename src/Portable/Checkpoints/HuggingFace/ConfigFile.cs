using System.Text.Json;
using Portable.Checkpoints.Files;
using Portable.Models;
using Portable.Models.Architectures;

namespace Portable.Checkpoints.HuggingFace;

/// <summary>
/// Reads config.json of every architecture in the table. What would change the computation and is not implemented is refused
/// by name, never ignored.
/// </summary>
internal static class ConfigFile
{
    /// <summary>Name of the file in a checkpoint directory.</summary>
    public const string FileName = "config.json";

    private const string Section = "text_config", Tied = "tie_word_embeddings";

    // What text_config is where it does not say so.
    private static readonly Dictionary<string, string> LanguageTypes = new() { ["gemma3"] = "gemma3_text", ["mistral3"] = "mistral" };

    /// <summary>Reads the configuration in a checkpoint directory.</summary>
    /// <exception cref="CheckpointException">Missing, damaged, or a model that Portable does not run.</exception>
    public static ModelConfig Read(string directory)
    {
        string path = Path.Combine(directory, FileName);
        using JsonDocument document = JsonFile.Read(path);
        JsonFields fields = new(path, document.RootElement);
        return Read(directory, fields, fields.Text("model_type"));
    }

    /// <summary>The fields of the language model: config.json, or the section of a file that describes a vision model as well.</summary>
    internal static JsonFields Language(JsonFields fields) => fields.Has(Section) ? fields.Object(Section) : fields;

    private static ModelConfig Read(string directory, JsonFields whole, string outer)
    {
        JsonFields fields = Language(whole);
        string type = fields.Text("model_type", LanguageTypes.GetValueOrDefault(outer, outer));
        Architecture architecture = ArchitectureTable.TryFind(type)
            ?? throw fields.Error("model_type", $"'{type}' is not supported; Portable runs {string.Join(", ", ArchitectureTable.All.Select(a => a.ModelType))}");
        ModelConfig config = architecture.Read(new DecoderFields(fields, type, architecture.Defaults));
        // Begin, end and the tie of the tables stand in either part.
        config = fields.Has(Tied) || !whole.Has(Tied) ? config : config with { TiedEmbeddings = whole.Flag(Tied, false) };
        return SpecialTokens.Read(directory, whole.Has("eos_token_id") || whole.Has("bos_token_id") ? whole : fields, architecture.Defaults, config);
    }
}
