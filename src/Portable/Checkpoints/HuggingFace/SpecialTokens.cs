using System.Text.Json;
using Portable.Checkpoints.Files;
using Portable.Models;
using Portable.Models.Architectures;

namespace Portable.Checkpoints.HuggingFace;

/// <summary>
/// Begin and end tokens of config.json and generation_config.json. They bear on what a text is and where it ends, never on
/// the logits of given ids: what is wrong with them is a note of the model, not an error.
/// </summary>
internal static class SpecialTokens
{
    private const string GenerationFile = "generation_config.json", Begin = "bos_token_id", End = "eos_token_id";

    /// <summary>Adds the tokens, and notes on those that cannot be used.</summary>
    public static ModelConfig Read(string directory, JsonFields fields, ConfigDefaults defaults, ModelConfig config)
    {
        List<string> notes = [];
        int[] begin = Ids(fields, Begin, defaults.BeginToken, config.VocabularySize, notes);
        int[] end = Ids(fields, End, defaults.EndToken, config.VocabularySize, notes);
        return config with
        {
            BeginToken = begin is [int first, ..] ? first : null,
            EndTokens = [.. end.Union(GenerationEnd(Path.Combine(directory, GenerationFile), config.VocabularySize, notes))],
            Notes = notes,
        };
    }

    private static int[] GenerationEnd(string path, int vocabulary, List<string> notes)
    {
        if (!File.Exists(path))
        {
            return [];
        }

        try
        {
            using JsonDocument document = JsonFile.Read(path);
            return Ids(new JsonFields(path, document.RootElement), End, null, vocabulary, notes);
        }
        catch (CheckpointException e)
        {
            notes.Add($"{e.Message}; its end tokens are not used");
            return [];
        }
    }

    private static int[] Ids(JsonFields fields, string name, int? absent, int vocabulary, List<string> notes)
    {
        if (!fields.Has(name))
        {
            return absent is { } id && id < vocabulary && !fields.IsNull(name) ? [id] : [];
        }

        JsonElement value = fields.Required(name);
        List<int> ids = [];
        foreach (JsonElement item in value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : new[] { value })
        {
            if (item.ValueKind == JsonValueKind.Number && item.TryGetInt32(out int id) && id < vocabulary)
            {
                // Many files write -1 for "none".
                ids.AddRange(id >= 0 ? [id] : []);
            }
            else
            {
                notes.Add(fields.Error(name, $"{JsonFields.Shorten(item)} is not a token id from 0 to {vocabulary - 1}; it is not used").Message);
            }
        }

        return [.. ids];
    }
}
