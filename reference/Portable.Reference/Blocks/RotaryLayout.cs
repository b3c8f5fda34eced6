using Portable.Reference.Arithmetic;

namespace Portable.Reference.Blocks;

/// <summary>Rotary positions of a block's queries and keys.</summary>
/// <param name="Dimensions">Channels of a head that turn, from the first on, in pairs (i, i + dimensions / 2); even.</param>
/// <param name="Base">Base of the frequencies (rope_theta).</param>
/// <param name="Scaling">Scaling of the frequencies, or null.</param>
internal sealed record RotaryLayout(int Dimensions, double Base, RotaryScaling? Scaling = null)
{
    /// <summary>Whether the angles depend on the declared length of a sequence.</summary>
    public bool DependsOnLength => Scaling?.DependsOnLength ?? false;

    /// <summary>Cosines and sines of positions 0 … <paramref name="length"/> − 1, for sequences of that declared length.</summary>
    public RotaryTable Table(int length) => new(length, Dimensions, Base, Scaling);
}
