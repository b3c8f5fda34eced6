using System.Text.Json;
using Portable.Checkpoints;
using Portable.Checkpoints.Files;

namespace Portable.Tokenizers.Files;

/// <summary>What a tokenizer needs of a model's config.json, which may be absent or of a model that Portable does not run.</summary>
internal static class ModelIds
{
    private const string FileName = "config.json";

    /// <summary>A token id (of several the first), or null where there is none from 0 on.</summary>
    public static int? Read(string directory, string field) => Field(directory, field, value =>
        (value.ValueKind == JsonValueKind.Array && value.GetArrayLength() > 0 ? value[0] : value) is { ValueKind: JsonValueKind.Number } id && id.TryGetInt32(out int number) && number >= 0 ? number : (int?)null);

    /// <summary>The kind of model, or null.</summary>
    public static string? ModelType(string directory) => Field(directory, "model_type", value => value.ValueKind == JsonValueKind.String ? value.GetString() : null);

    private static T? Field<T>(string directory, string field, Func<JsonElement, T?> read)
    {
        string file = Path.Combine(directory, FileName);
        if (!File.Exists(file))
        {
            return default;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(JsonFile.Text(file, int.MaxValue));
            return document.RootElement.ValueKind == JsonValueKind.Object && document.RootElement.TryGetProperty(field, out JsonElement value) ? read(value) : default;
        }
        catch (Exception e) when (e is JsonException or IOException or UnauthorizedAccessException)
        {
            throw new CheckpointException(file, JsonFault.Words(e), inner: e);
        }
    }
}
