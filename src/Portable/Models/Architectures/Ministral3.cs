using Portable.Reference.Arithmetic;
using Portable.Reference.Blocks;

namespace Portable.Models.Architectures;

/// <summary>Ministral 3: Mistral without a window, yarn positions, and queries that grow with the position.</summary>
internal static class Ministral3
{
    private const double Base = 1e6;

    public static Architecture Architecture { get; } = new(
        "ministral3",
        new ConfigDefaults(131_072, 4096, 14336, 34, 32, 8, 262_144, 1, 2) { HeadSize = 128, RotaryBase = Base, NormEpsilon = 1e-5 },
        d => d.Model(d.Blocks(d.Block(), Rotary(d), Windows.Read(d, null))),
        new TensorNames());

    /// <summary>Without any section the family's own stretch holds; a base alone would leave open what it is the base of.</summary>
    private static RotaryLayout Rotary(DecoderFields decoder)
    {
        RotaryFields fields = new(decoder);
        return decoder.Fields.Has("rope_parameters") || decoder.Fields.Has("rope_scaling") ? fields.Whole
            : decoder.Fields.Has("rope_theta") ? throw decoder.Fields.Error("rope_parameters", "missing, and rope_theta is there")
            : fields.Plain(Base) with { Scaling = new YarnRotaryScaling(16, 16_384, 32, 1, true, 1, 0.1) };
    }
}
