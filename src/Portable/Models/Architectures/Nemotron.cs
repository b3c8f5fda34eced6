using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>Nemotron 3 and 4: LayerNorm of gain 1 + w before each part, ungated squared ReLU, positions that turn half of a head.</summary>
internal static class Nemotron
{
    public static Architecture Architecture { get; } = new(
        "nemotron",
        new ConfigDefaults(256_000, 6144, 24576, 32, 48, null, 4096, 2, 3) { NormEpsilon = 1e-5, RotaryPart = 0.5 },
        d => d.Model(d.Blocks(d.Block("hidden_act", "relu2", "norm_eps") with { Norm = NormKind.Layer, Gated = false }, new RotaryFields(d, partial: true).Whole)),
        new TensorNames { GainsExceedOne = true });
}
