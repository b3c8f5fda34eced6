using System.Globalization;
using System.Text.Json;
using System.Text.Json.Nodes;
using Portable.Checkpoints.Files;
using Portable.Reference.Quantization;

namespace Portable.Checkpoints.Format;

/// <summary>What a quantized checkpoint is made of: file names, versions, and the mark in config.json.</summary>
internal static class PortableFormat
{
    /// <summary>The version that is written unless another is asked for: scales of 16 bits, zero points packed, groups of activations of their own.</summary>
    public const int NewestVersion = 2;

    /// <summary>The first: f32 scales, a byte a zero point. Readers refuse what is outside these two.</summary>
    public const int OldestVersion = 1;

    /// <summary>Scheme and error per layer, hashes, method and options; written last.</summary>
    public const string ManifestName = "manifest.json";

    /// <summary>The object in config.json that marks a quantized model, as Hugging Face's tools name it.</summary>
    public const string ConfigKey = "quantization_config";

    /// <summary>Its quant_method.</summary>
    public const string QuantMethod = "portable";

    /// <summary>A folder of chat templates by name, as transformers writes it.</summary>
    private const string TemplateFolder = "additional_chat_templates";

    private static readonly string[] CopiedNames =
    [
        "tokenizer.model", "tokenizer.json", "tokenizer_config.json", "special_tokens_map.json", "added_tokens.json",
        "vocab.json", "merges.txt", "chat_template.json", "generation_config.json",
    ];

    private static readonly JsonWriterOptions Indented = new() { Indented = true, NewLine = "\n" };

    /// <summary>The file of block <paramref name="index"/>, or of the tables for the index behind the last block.</summary>
    public static string ShardName(int index, int layers) =>
        string.Create(CultureInfo.InvariantCulture, $"model-{index + 1:D5}-of-{layers + 1:D5}.safetensors");

    /// <summary>
    /// Files that a quantized checkpoint takes over from the float one: those of its tokenizer, its chat templates, and how it
    /// wants to be sampled. Paths in the directory, with '/', in ordinal order.
    /// </summary>
    public static IReadOnlyList<string> CopiedFiles(string directory)
    {
        static IEnumerable<string> Templates(string folder) => Directory.Exists(folder) ? Directory.EnumerateFiles(folder, "*.jinja").Select(f => Path.GetFileName(f)) : [];
        return [.. CopiedNames.Where(name => File.Exists(Path.Combine(directory, name)))
            .Concat(Templates(directory))
            .Concat(Templates(Path.Combine(directory, TemplateFolder)).Select(name => $"{TemplateFolder}/{name}"))
            .Order(StringComparer.Ordinal)];
    }

    /// <summary>JSON text as it is written: indented, one line feed at the end, the same on every system.</summary>
    public static byte[] ToBytes(JsonNode node)
    {
        using MemoryStream bytes = new();
        using (Utf8JsonWriter writer = new(bytes, Indented))
        {
            node.WriteTo(writer);
        }

        bytes.WriteByte((byte)'\n');
        return bytes.ToArray();
    }

    /// <summary>config.json of the quantized model: the original and the mark.</summary>
    public static JsonObject MarkConfig(JsonObject original, int version, string method, QuantizationScheme scheme)
    {
        JsonObject config = original.DeepClone().AsObject();
        config[ConfigKey] = new JsonObject
        {
            ["quant_method"] = QuantMethod,
            ["version"] = version,
            ["method"] = method,
            ["scheme"] = scheme.ToString(),
        };
        return config;
    }

    /// <summary>The version of the format, one that this program reads.</summary>
    public static int ReadVersion(JsonFields fields)
    {
        int version = fields.Integer("version", 0, int.MaxValue);
        return version is >= OldestVersion and <= NewestVersion
            ? version
            : throw fields.Error("version", $"{version} is not supported; this program reads versions {OldestVersion} to {NewestVersion}");
    }

    /// <summary>What a version can hold of a scale.</summary>
    public static ScaleFormat ScalesOf(int version) => version == OldestVersion ? ScaleFormat.Single : ScaleFormat.Half;

    /// <summary>A scheme.</summary>
    public static QuantizationScheme ParseScheme(JsonFields fields)
    {
        try
        {
            return QuantizationScheme.Parse(fields.Text("scheme"));
        }
        catch (FormatException e)
        {
            throw fields.Error("scheme", e.Message);
        }
    }
}
