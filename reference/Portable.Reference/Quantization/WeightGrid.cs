using Portable.Reference.Arithmetic;

namespace Portable.Reference.Quantization;

/// <summary>How a real quotient becomes a code.</summary>
public enum Rounding
{
    /// <summary>Nearest, ties to the even code (the default of every method).</summary>
    HalfEven,

    /// <summary>Nearest, ties away from zero: sign(v)·⌊|v| + ½⌋ (FlattenQuant).</summary>
    HalfAway,
}

/// <summary>
/// A uniform grid of weight values: code c stands for Scale·(c − ZeroPoint). Weights are quantized once, offline, so the
/// quotient is formed in double; every operation is correctly rounded and gives the same code on any machine.
/// </summary>
/// <param name="Scale">Step, within <see cref="Contract.MinimumScale"/> … <see cref="Contract.MaximumScale"/>.</param>
/// <param name="ZeroPoint">The code of the value 0.</param>
/// <param name="Minimum">Smallest code.</param>
/// <param name="Maximum">Largest code.</param>
public readonly record struct WeightGrid(float Scale, int ZeroPoint, int Minimum, int Maximum)
{
    /// <summary>s = max|v| / Q with Q = 2^(b−1) − 1, codes −2^(b−1) … 2^(b−1)−1, zero point 0.</summary>
    /// <param name="values">The values that share the grid.</param>
    /// <param name="bits">b, 2…8.</param>
    /// <param name="scales">What s is rounded to.</param>
    /// <exception cref="ArgumentOutOfRangeException">One bit (no positive level), or more than 8.</exception>
    public static WeightGrid Symmetric(ReadOnlySpan<float> values, int bits, ScaleFormat scales = ScaleFormat.Single)
    {
        if (bits is < 2 or > 8)
        {
            throw new ArgumentOutOfRangeException(nameof(bits), bits, "Symmetric weights have 2 to 8 bits.");
        }

        float largest = 0f;
        foreach (float v in values)
        {
            largest = MathF.Max(largest, MathF.Abs(v));
        }

        int q = (1 << (bits - 1)) - 1;
        return new WeightGrid(WeightScales.Nearest((double)largest / q, scales), 0, -q - 1, q);
    }

    /// <summary>
    /// s = (hi − lo) / L over the range widened to include 0, zero point round(−lo / s) within 0 … L, codes 0 … L.
    /// </summary>
    /// <param name="values">The values that share the grid.</param>
    /// <param name="largestCode">L: 2^b − 1, or 4 for the five levels of W2*.</param>
    /// <param name="scales">What s is rounded to.</param>
    public static WeightGrid Asymmetric(ReadOnlySpan<float> values, int largestCode, ScaleFormat scales = ScaleFormat.Single)
    {
        float lo = 0f, hi = 0f;
        foreach (float v in values)
        {
            lo = MathF.Min(lo, v);
            hi = MathF.Max(hi, v);
        }

        return Asymmetric(lo, hi, largestCode, scales);
    }

    /// <summary>The asymmetric grid of the range lo … hi (clipped ranges come from a search or from learning).</summary>
    /// <param name="lo">Lower end, ≤ 0.</param>
    /// <param name="hi">Upper end, ≥ 0.</param>
    /// <param name="largestCode">L ≥ 1.</param>
    /// <param name="scales">What s is rounded to, before the zero point is found and codes are chosen.</param>
    public static WeightGrid Asymmetric(float lo, float hi, int largestCode, ScaleFormat scales = ScaleFormat.Single)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(largestCode, 1);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(lo, 0f);
        ArgumentOutOfRangeException.ThrowIfLessThan(hi, 0f);
        float scale = WeightScales.Nearest(((double)hi - lo) / largestCode, scales);
        int zero = (int)Math.Clamp(Math.Round(-lo / (double)scale), 0, largestCode);
        return new WeightGrid(scale, zero, 0, largestCode);
    }

    /// <summary>The code nearest to a value.</summary>
    public int Encode(double value, Rounding rounding = Rounding.HalfEven)
    {
        double quotient = value / Scale;
        double rounded = rounding == Rounding.HalfEven
            ? Math.Round(quotient)
            : Math.CopySign(Math.Floor(Math.Abs(quotient) + 0.5), quotient);
        return (int)Math.Clamp(rounded + ZeroPoint, Minimum, Maximum);
    }

    /// <summary>The value of a code.</summary>
    public double Decode(int code) => (double)Scale * (code - ZeroPoint);

    /// <summary>A scale brought into the contract's range and to single precision.</summary>
    public static float ClampScale(double scale) => WeightScales.Nearest(scale, ScaleFormat.Single);
}
