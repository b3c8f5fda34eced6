using System.Text.Json;
using Portable.Checkpoints.Files;

namespace Portable.Checkpoints.HuggingFace;

/// <summary>The sliding window in config.json: whether any layer has one, and how long it is.</summary>
internal static class WindowFields
{
    // Of transformers, where a file says nothing: Mistral's and Qwen2's window, and the first layer of Qwen2 that has one.
    private const int DefaultWindow = 4096, DefaultFirstLayer = 28;

    /// <summary>The window in tokens, or null where no layer has one.</summary>
    public static int? Read(JsonFields fields, string type, int layers)
    {
        bool[]? sliding = LayerTypes(fields, layers);
        if (type == "qwen2")
        {
            // A window is there when the flag says so, and then on the layers that layer_types or max_window_layers name.
            bool used = fields.Flag("use_sliding_window", false) && !fields.IsNull("sliding_window");
            return used && (sliding is null ? fields.Integer("max_window_layers", 0, int.MaxValue, DefaultFirstLayer) < layers : sliding.Contains(true))
                ? fields.Integer("sliding_window", 1, int.MaxValue, DefaultWindow)
                : null;
        }

        if (sliding is not null && sliding.Contains(true))
        {
            throw fields.Error("layer_types", $"windows per layer are not supported for {type}");
        }

        bool absent = !fields.Has("sliding_window");
        return absent && (type != "mistral" || fields.IsNull("sliding_window")) ? null : fields.Integer("sliding_window", 1, int.MaxValue, DefaultWindow);
    }

    private static bool[]? LayerTypes(JsonFields fields, int layers)
    {
        if (!fields.Has("layer_types"))
        {
            return null;
        }

        List<JsonElement> types = fields.Array("layer_types");
        if (types.Count != layers)
        {
            throw fields.Error("layer_types", $"has {types.Count} entries for num_hidden_layers {layers}");
        }

        return [.. types.Select(type => type.ValueKind == JsonValueKind.String && type.GetString() is "full_attention" or "sliding_attention"
            ? type.GetString() == "sliding_attention"
            : throw fields.Error("layer_types", $"{JsonFields.Shorten(type)} is not supported; expected 'full_attention' or 'sliding_attention'"))];
    }
}
