namespace Portable.Reference.BitPlanes;

/// <summary>
/// The width and signedness of integer codes: unsigned 0 … 2^b−1, or two's complement −2^(b−1) … 2^(b−1)−1.
/// Widths are data: no type, file or kernel is named after one.
/// </summary>
public readonly record struct CodeFormat
{
    /// <summary>Creates a format.</summary>
    /// <param name="bits">Bits per code: 1 to 8, or 16 (activations only).</param>
    /// <param name="signed">Two's complement when true.</param>
    /// <exception cref="ArgumentOutOfRangeException"><paramref name="bits"/> is not 1…8 or 16.</exception>
    public CodeFormat(int bits, bool signed)
    {
        if (bits is (< 1 or > 8) and not 16)
        {
            throw new ArgumentOutOfRangeException(nameof(bits), bits, "A code has 1 to 8 bits, or 16.");
        }

        Bits = bits;
        Signed = signed;
    }

    /// <summary>Bits per code: 1…8 or 16.</summary>
    public int Bits { get; }

    /// <summary>Whether codes are two's complement.</summary>
    public bool Signed { get; }

    /// <summary>The smallest code.</summary>
    public int Minimum => Signed ? -(1 << (Bits - 1)) : 0;

    /// <summary>The largest code.</summary>
    public int Maximum => Signed ? (1 << (Bits - 1)) - 1 : (1 << Bits) - 1;

    /// <summary>The largest |code|.</summary>
    public int MaximumMagnitude => Math.Max(-Minimum, Maximum);

    /// <summary>The weight of plane <paramref name="plane"/> in the decomposition: 2^plane, negative for the top plane of a signed format.</summary>
    public int PlaneWeight(int plane) => Signed && plane == Bits - 1 ? -(1 << plane) : 1 << plane;

    /// <summary>For example <c>s6</c> or <c>u8</c>.</summary>
    public override string ToString() => (Signed ? "s" : "u") + Bits.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
