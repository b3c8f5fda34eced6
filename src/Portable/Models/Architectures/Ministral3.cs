namespace Portable.Models.Architectures;

/// <summary>Ministral 3: Mistral without a window, yarn positions, and queries that grow with the position.</summary>
internal static class Ministral3
{
    public static Architecture Architecture { get; } = new(
        "ministral3",
        new ConfigDefaults(131_072, 4096, 14336, 34, 32, 8, 262_144, 1, 2) { HeadSize = 128, RotaryBase = 1e6, NormEpsilon = 1e-5 },
        d => d.Fields.Has("rope_parameters")
            ? d.Model(d.Blocks(d.Block(), new RotaryFields(d).Whole, Windows.Read(d, null)))
            : throw d.Fields.Error("rope_parameters", "missing"),
        new TensorNames());
}
