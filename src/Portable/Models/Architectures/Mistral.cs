namespace Portable.Models.Architectures;

/// <summary>Mistral: LLaMA with a window of 4,096 tokens on all layers unless config.json says otherwise.</summary>
internal static class Mistral
{
    public static Architecture Architecture { get; } = new(
        "mistral",
        new ConfigDefaults(32000, 4096, 14336, 32, 32, 8, 131_072, 1, 2),
        d => d.Model(d.Blocks(d.Block(), new RotaryFields(d).Whole, Windows.Read(d, 4096))),
        new TensorNames());
}
