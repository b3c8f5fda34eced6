using System.Text.Json;
using Portable.Checkpoints.Files;

namespace Portable.Models.Architectures;

/// <summary>The layers whose attention has a window.</summary>
/// <param name="Window">Positions that a token sees, itself included.</param>
/// <param name="Sliding">For each layer, whether it has it.</param>
internal sealed record LayerWindows(int Window, bool[] Sliding);

/// <summary>Sliding windows in config.json.</summary>
internal static class Windows
{
    private const string Window = "sliding_window", Types = "layer_types";

    /// <summary>A window on the layers that layer_types names, and without it on those that the architecture has it on; null means none.</summary>
    /// <param name="decoder">config.json.</param>
    /// <param name="absent">The window where the field is not there, or null for none.</param>
    /// <param name="slides">The layers without layer_types; null for all.</param>
    public static LayerWindows? Read(DecoderFields decoder, int? absent, Func<int, bool>? slides = null)
    {
        bool none = !decoder.Fields.Has(Window) && (absent is null || decoder.Fields.IsNull(Window));
        bool[]? named = LayerTypes(decoder);
        if (none && named is not null && named.Contains(true))
        {
            throw decoder.Fields.Error(Types, $"names layers with a window, and there is no {Window}");
        }

        return none ? null : Each(decoder, absent, named ?? [.. Enumerable.Range(0, decoder.Layers).Select(slides ?? (_ => true))]);
    }

    /// <summary>A window that counts when use_sliding_window says so.</summary>
    /// <param name="decoder">config.json.</param>
    /// <param name="absent">The window where the field is not there, or null for none.</param>
    /// <param name="slides">The layers without layer_types.</param>
    public static LayerWindows? Flagged(DecoderFields decoder, int? absent, Func<int, bool> slides)
    {
        bool[] sliding = LayerTypes(decoder) ?? [.. Enumerable.Range(0, decoder.Layers).Select(slides)];
        bool none = !decoder.Fields.Has(Window) && (absent is null || decoder.Fields.IsNull(Window));
        return decoder.Fields.Flag("use_sliding_window", false) && !none && sliding.Contains(true) ? Each(decoder, absent, sliding) : null;
    }

    private static LayerWindows Each(DecoderFields decoder, int? absent, bool[] sliding) =>
        new(absent is { } length ? decoder.Fields.Integer(Window, 1, int.MaxValue, length) : decoder.Fields.Integer(Window, 1, int.MaxValue), sliding);

    /// <summary>Which layers layer_types gives a window, or null where it is not there.</summary>
    private static bool[]? LayerTypes(DecoderFields decoder)
    {
        if (!decoder.Fields.Has(Types))
        {
            return null;
        }

        List<JsonElement> types = decoder.Fields.Array(Types);
        if (types.Count != decoder.Layers)
        {
            throw decoder.Fields.Error(Types, $"has {types.Count} entries for num_hidden_layers {decoder.Layers}");
        }

        return [.. types.Select(type => type.ValueKind == JsonValueKind.String && type.GetString() is "full_attention" or "sliding_attention"
            ? type.GetString() == "sliding_attention"
            : throw decoder.Fields.Error(Types, $"{JsonFields.Shorten(type)} is not supported; expected 'full_attention' or 'sliding_attention'"))];
    }
}
