namespace Portable.Models.Architectures;

/// <summary>LLaMA 1 to 3: RMSNorm before each part, rotary positions, gated SiLU.</summary>
internal static class Llama
{
    public static Architecture Architecture { get; } = new(
        "llama",
        new ConfigDefaults(32000, 4096, 11008, 32, 32, null, 2048, 1, 2),
        d => d.Model(d.Blocks(d.Block(), new RotaryFields(d).Whole, Windows.Read(d, null))),
        new TensorNames());
}
