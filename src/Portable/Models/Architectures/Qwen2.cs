namespace Portable.Models.Architectures;

/// <summary>Qwen2 and 2.5: LLaMA with biases on q, k and v, whatever its config says, and windows behind a flag.</summary>
internal static class Qwen2
{
    public static Architecture Architecture { get; } = new(
        "qwen2",
        new ConfigDefaults(151_936, 4096, 22016, 32, 32, 32, 32_768, null, null),
        d => d.Model(d.Blocks(d.Block() with { AttentionBias = true, OutputBias = false, MlpBias = false }, new RotaryFields(d).Whole, WindowsOf(d))),
        new TensorNames());

    /// <summary>From max_window_layers on, 28 where the file does not say.</summary>
    public static LayerWindows? WindowsOf(DecoderFields decoder)
    {
        int first = decoder.Fields.Integer("max_window_layers", 0, int.MaxValue, 28);
        return Windows.Flagged(decoder, 4096, layer => layer >= first);
    }
}
