namespace Portable.Tests.Arithmetic;

/// <summary>Values that break careless vector code: signed zeros, ties of every rounding, powers of two, tiny and huge magnitudes.</summary>
internal static class AwkwardValues
{
    private static readonly float[] Special =
    [
        0f, -0f, 1f, -1f, 0.5f, -0.5f, 1.5f, -1.5f, 2.5f, -2.5f, 0.49999997f, -0.49999997f, 8388609f, -8388609f,
        8.6736174e-19f, -8.6736174e-19f, 8.673617e-19f, 1e-30f, -1e-38f, 65504f, -65520f, 5.9604645e-8f, 2.9802322e-8f,
    ];

    /// <summary>Random values of magnitudes 2^-exponents … 2^exponents, mixed with special ones.</summary>
    public static float[] Create(int length, int seed, int exponents = 20)
    {
        Random random = new(seed);
        float[] values = new float[length];
        for (int i = 0; i < length; i++)
        {
            values[i] = random.Next(4) == 0
                ? Special[random.Next(Special.Length)]
                : (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-exponents, exponents + 1)));
        }

        return values;
    }

    /// <summary>Canonical values around 0 with deviation about 1, as activations are.</summary>
    public static float[] Activations(int length, int seed)
    {
        Random random = new(seed);
        float[] values = new float[length];
        for (int i = 0; i < length; i++)
        {
            values[i] = random.Next(16) == 0 ? 0f : (float)(2 * (random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5));
        }

        return values;
    }

    /// <summary>Bit patterns, so that −0 and +0 differ.</summary>
    public static uint[] Bits(ReadOnlySpan<float> values)
    {
        uint[] bits = new uint[values.Length];
        for (int i = 0; i < bits.Length; i++)
        {
            bits[i] = BitConverter.SingleToUInt32Bits(values[i]);
        }

        return bits;
    }
}
