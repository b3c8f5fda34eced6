using System.Text.Json;
using Portable.Checkpoints.Files;
using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>SmolLM3: LLaMA without positions on every fourth layer.</summary>
internal static class SmolLm3
{
    public static Architecture Architecture { get; } = new(
        "smollm3",
        new ConfigDefaults(128_256, 2048, 11008, 36, 16, 4, 32_768, 128_000, 128_001) { TiedEmbeddings = true, RotaryBase = 2e6 },
        Read,
        new TensorNames());

    private static ModelConfig Read(DecoderFields decoder)
    {
        bool[] turns = Turns(decoder);
        BlockLayout[] blocks = decoder.Blocks(decoder.Block(), new RotaryFields(decoder).Whole, Windows.Flagged(decoder, null, layer => !turns[layer]));
        return decoder.Model([.. blocks.Select((block, layer) => turns[layer] ? block : block with { Rotary = null })]);
    }

    /// <summary>no_rope_layers, in which 1 means that a layer has rotary positions.</summary>
    private static bool[] Turns(DecoderFields decoder)
    {
        const string Name = "no_rope_layers";
        if (!decoder.Fields.Has(Name))
        {
            int interval = decoder.Fields.Integer("no_rope_layer_interval", 1, int.MaxValue, 4);
            return [.. Enumerable.Range(0, decoder.Layers).Select(layer => (layer + 1) % interval != 0)];
        }

        List<JsonElement> values = decoder.Fields.Array(Name);
        if (values.Count != decoder.Layers)
        {
            throw decoder.Fields.Error(Name, $"has {values.Count} entries for num_hidden_layers {decoder.Layers}");
        }

        return [.. values.Select(v => v.ValueKind == JsonValueKind.Number && v.TryGetInt32(out int turns) && turns is 0 or 1
            ? turns == 1
            : throw decoder.Fields.Error(Name, $"{JsonFields.Shorten(v)} is neither 0 nor 1"))];
    }
}
