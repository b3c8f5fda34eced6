using System.Runtime.CompilerServices;

namespace Portable.Reference.Arithmetic;

/// <summary>
/// The scalar definitions of the float contract: every float operation of a quantized model, on every device, gives these
/// bits. Only f32 add, subtract, multiply, compare, round, and int conversion; never fused, never re-associated.
/// </summary>
public static class Contract
{
    /// <summary>Version of the float contract (docs/float-contract.md): models of equal checkpoints have equal logits under equal versions.</summary>
    public const int Version = 2;

    /// <summary>2^-60: smaller magnitudes (and −0) become +0 at operation borders, so no subnormal is ever seen.</summary>
    public const float Tiny = 8.6736174e-19f;

    /// <summary>2^-24: the smallest scale of any quantizer.</summary>
    public const float MinimumScale = 5.9604645e-8f;

    /// <summary>2^14: the largest scale of any quantizer.</summary>
    public const float MaximumScale = 16384f;

    /// <summary>Independent partial sums of an ordered reduction: partial p takes the elements k with (k / 2) mod 32 = p, ascending.</summary>
    public const int Partials = 32;

    /// <summary>Makes |v| &lt; 2^-60 and −0 into +0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Canonical(float v) => MathF.Abs(v) < Tiny ? 0f : v;

    /// <summary>1/x for x in 2^-100 … 2^100: integer seed, then three Newton steps y ← y·(2 − x·y).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Reciprocal(float x)
    {
        float y = BitConverter.Int32BitsToSingle(0x7EF311C7 - BitConverter.SingleToInt32Bits(x));
        y *= 2f - x * y;
        y *= 2f - x * y;
        y *= 2f - x * y;
        return y;
    }

    /// <summary>1/√x for x in 2^-100 … 2^100: integer seed, then three Newton steps y ← y·(1.5 − (0.5·x)·(y·y)).</summary>
    public static float ReciprocalSquareRoot(float x)
    {
        float h = 0.5f * x;
        float y = BitConverter.Int32BitsToSingle(0x5F375A86 - (BitConverter.SingleToInt32Bits(x) >> 1));
        y *= 1.5f - h * (y * y);
        y *= 1.5f - h * (y * y);
        y *= 1.5f - h * (y * y);
        return y;
    }

    /// <summary>e^x with x clamped to −60 … 60; results below 2^-60 are 0. Cody–Waite reduction, degree-6 polynomial by Horner's rule.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static float Exp(float x)
    {
        x = MathF.Min(MathF.Max(x, -60f), 60f);
        float n = MathF.Round(x * 1.44269504f);
        float r = x - n * 0.693359375f;
        r -= n * -2.12194440e-4f;
        float p = 1.38888889e-3f;
        p = p * r + 8.33333333e-3f;
        p = p * r + 4.16666667e-2f;
        p = p * r + 1.66666667e-1f;
        p = p * r + 0.5f;
        p = p * r + 1f;
        p = p * r + 1f;
        float scale = BitConverter.Int32BitsToSingle(((int)n + 127) << 23);
        return Canonical(p * scale);
    }

    /// <summary>
    /// tanh x: below |x| = 0.625 an odd polynomial (Cephes), x + x·z·P(z) with z = x²; above it 1 − 2/(e^(2|x|) + 1) with the sign of x.
    /// </summary>
    public static float Tanh(float x)
    {
        float magnitude = MathF.Abs(x), z = x * x;
        float p = -5.70498872745e-3f;
        p = p * z + 2.06390887954e-2f;
        p = p * z - 5.37397155531e-2f;
        p = p * z + 1.33314422036e-1f;
        p = p * z - 3.33332819422e-1f;
        float near = p * z * x + x;
        float far = 1f - 2f * Reciprocal(Exp(2f * magnitude) + 1f);
        return magnitude < 0.625f ? near : x < 0f ? -far : far;
    }

    /// <summary>1/(1 + e^−x).</summary>
    public static float Sigmoid(float x) => Reciprocal(1f + Exp(-x));

    /// <summary>c·tanh(x/c), canonical; <paramref name="inverse"/> is fl(1/c).</summary>
    public static float Softcap(float x, float cap, float inverse) => Canonical(cap * Tanh(x * inverse));

    /// <summary>The normal distribution function Φ(x) = (1 + erf(x/√2))/2, within 1e-7: Abramowitz and Stegun 7.1.26 for the tail.</summary>
    public static float NormalDistribution(float x)
    {
        float y = MathF.Abs(x) * 0.70710678f;
        float t = Reciprocal(1f + 0.3275911f * y);
        float p = 1.061405429f;
        p = p * t - 1.453152027f;
        p = p * t + 1.421413741f;
        p = p * t - 0.284496736f;
        p = p * t + 0.254829592f;
        float tail = 0.5f * (p * t * Exp(-(y * y)));
        return x < 0f ? tail : 1f - tail;
    }

    /// <summary>Half away from zero: sign(v)·⌊|v| + 0.5⌋ (FlattenQuant).</summary>
    public static float RoundHalfAway(float v)
    {
        float magnitude = MathF.Floor(MathF.Abs(v) + 0.5f);
        return v < 0f ? -magnitude : magnitude;
    }

    /// <summary>Σ a·b in the order of <see cref="Partials"/> partial sums, then pairwise halving p[i] += p[i + 16], 8, 4, 2, 1; not canonicalised.</summary>
    public static float OrderedDot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        Span<float> partial = stackalloc float[Partials];
        partial.Clear();
        for (int k = 0; k < a.Length; k++)
        {
            float product = a[k] * b[k];
            partial[(k >> 1) & (Partials - 1)] += product;
        }

        for (int half = Partials / 2; half > 0; half >>= 1)
        {
            for (int i = 0; i < half; i++)
            {
                partial[i] += partial[i + half];
            }
        }

        return partial[0];
    }
}
