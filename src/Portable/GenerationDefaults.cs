using System.Text.Json;
using Portable.Checkpoints;
using Portable.Checkpoints.Files;

namespace Portable;

/// <summary>What a model's makers recommend: generation_config.json.</summary>
internal static class GenerationDefaults
{
    private const string FileName = "generation_config.json";

    /// <summary>The options that the file names; a file that is absent or broken, or does not sample, names none.</summary>
    public static GenerationOptions Read(string directory)
    {
        GenerationOptions options = new();
        string file = Path.Combine(directory, FileName);
        if (!File.Exists(file))
        {
            return options;
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(JsonFile.Text(file, int.MaxValue));
            JsonElement root = document.RootElement;
            double? Number(string name) => root.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Number ? value.GetDouble() : null;
            if (root.TryGetProperty("do_sample", out JsonElement samples) && samples.ValueKind == JsonValueKind.True)
            {
                options = options with
                {
                    // What the reference implementation takes where the file samples and is silent.
                    Temperature = Number("temperature") ?? 1,
                    TopK = (int)(Number("top_k") ?? 50),
                    TopP = Number("top_p") ?? 1,
                    MinP = Number("min_p") ?? 0,
                };
            }

            options = options with { RepetitionPenalty = Number("repetition_penalty") ?? 1 };
            options.Validate();
            return options;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException or IOException or UnauthorizedAccessException or ArgumentException or FormatException or CheckpointException)
        {
            return new GenerationOptions();
        }
    }
}
