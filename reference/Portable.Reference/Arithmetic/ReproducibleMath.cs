namespace Portable.Reference.Arithmetic;

/// <summary>
/// Double-precision exp, log, sine and cosine from additions, multiplications and exponent bits only, so that tables computed
/// with them are the same on every platform: <see cref="Math"/> calls the C library, which differs.
/// Within 1e-14 of the exact value relative to max(1, |result|) over the ranges stated.
/// </summary>
internal static class ReproducibleMath
{
    private const double Ln2High = 0.693147180369123816490; // fdlibm: 33 significant bits, so n·Ln2High is exact
    private const double Ln2Low = 1.90821492927058770002e-10;
    private const double HalfPiHigh = 1.57079632673412561417; // fdlibm: 33 significant bits
    private const double HalfPiMiddle = 6.07710050630396597660e-11; // the next 33
    private const double HalfPiLow = 2.02226624879595063154e-21;

    /// <summary>e^x for −700 ≤ x ≤ 700: Cody–Waite reduction, Taylor polynomial of degree 14.</summary>
    public static double Exp(double x)
    {
        double n = Math.Floor(x * 1.44269504088896340736 + 0.5);
        double r = x - n * Ln2High - n * Ln2Low;
        double p = 1.0;
        for (int i = 14; i > 0; i--)
        {
            p = 1.0 + p * r * Inverse[i];
        }

        return p * BitConverter.Int64BitsToDouble(((long)n + 1023) << 52);
    }

    /// <summary>ln x for normal x &gt; 0: Newton steps y ← y − 1 + m·e^−y on the mantissa m in [0.70, 1.42).</summary>
    public static double Log(double x)
    {
        long bits = BitConverter.DoubleToInt64Bits(x);
        int exponent = (int)(bits >> 52) - 1023;
        double m = BitConverter.Int64BitsToDouble((bits & 0x000FFFFFFFFFFFFF) | 0x3FF0000000000000);
        if (m > 1.4142135623730951)
        {
            m *= 0.5;
            exponent++;
        }

        double y = m - 1.0;
        for (int i = 0; i < 5; i++)
        {
            y = y - 1.0 + m * Exp(-y);
        }

        return exponent * Ln2High + (exponent * Ln2Low + y);
    }

    /// <summary>Sine and cosine of |x| ≤ 2^20: Cody–Waite reduction to ±π/4, Taylor polynomials of degrees 17 and 18.</summary>
    public static (double Sine, double Cosine) SineCosine(double x)
    {
        double n = Math.Floor(x * 0.636619772367581343076 + 0.5);
        double r = x - n * HalfPiHigh - n * HalfPiMiddle - n * HalfPiLow;
        double square = r * r, sine = 1.0, cosine = 1.0;
        for (int i = 17; i >= 3; i -= 2)
        {
            sine = 1.0 - sine * square * (Inverse[i] * Inverse[i - 1]);
        }

        for (int i = 18; i >= 2; i -= 2)
        {
            cosine = 1.0 - cosine * square * (Inverse[i] * Inverse[i - 1]);
        }

        sine *= r;
        return ((long)n & 3) switch
        {
            0 => (sine, cosine),
            1 => (cosine, -sine),
            2 => (-sine, -cosine),
            _ => (-cosine, sine),
        };
    }

    // Correctly rounded quotients of constants: the same everywhere.
    private static readonly double[] Inverse = [0, 1, 1.0 / 2, 1.0 / 3, 1.0 / 4, 1.0 / 5, 1.0 / 6, 1.0 / 7, 1.0 / 8, 1.0 / 9, 1.0 / 10, 1.0 / 11, 1.0 / 12, 1.0 / 13, 1.0 / 14, 1.0 / 15, 1.0 / 16, 1.0 / 17, 1.0 / 18];
}
