using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.Arithmetic;

/// <summary>
/// Eight lanes of <see cref="Contract"/>: the same operations in the same order, so the same bits on every instruction set
/// (Vector256 is emulated where there is none). Never fused.
/// </summary>
internal static partial class VectorContract
{
    /// <summary>Lanes of the vector forms.</summary>
    public const int Lanes = 8;

    /// <summary><see cref="Contract.Canonical"/> of eight lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Canonical(Vector256<float> v) =>
        Vector256.AndNot(v, Vector256.LessThan(Vector256.Abs(v), Vector256.Create(Contract.Tiny)));

    /// <summary><see cref="Contract.Reciprocal"/> of eight lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Reciprocal(Vector256<float> x)
    {
        Vector256<float> two = Vector256.Create(2f);
        Vector256<float> y = (Vector256.Create(0x7EF311C7) - x.AsInt32()).AsSingle();
        y *= two - x * y;
        y *= two - x * y;
        y *= two - x * y;
        return y;
    }

    /// <summary><see cref="Contract.ReciprocalSquareRoot"/> of eight lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ReciprocalSquareRoot(Vector256<float> x)
    {
        Vector256<float> threeHalves = Vector256.Create(1.5f), h = Vector256.Create(0.5f) * x;
        Vector256<float> y = (Vector256.Create(0x5F375A86) - (x.AsInt32() >> 1)).AsSingle();
        y *= threeHalves - h * (y * y);
        y *= threeHalves - h * (y * y);
        y *= threeHalves - h * (y * y);
        return y;
    }

    /// <summary><see cref="Contract.Exp"/> of eight lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Exp(Vector256<float> x) => ExpBelow60(Vector256.MinNative(x, Vector256.Create(60f)));

    /// <summary><see cref="Contract.Exp"/> of eight lanes that are at most 60 (−∞ included), as all of softmax's are.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> ExpBelow60(Vector256<float> x)
    {
        x = Vector256.MaxNative(x, Vector256.Create(-60f));
        Vector256<float> n = Vector256.Round(x * Vector256.Create(1.44269504f));
        Vector256<float> r = x - n * Vector256.Create(0.693359375f);
        r -= n * Vector256.Create(-2.12194440e-4f);
        Vector256<float> p = Vector256.Create(1.38888889e-3f);
        p = p * r + Vector256.Create(8.33333333e-3f);
        p = p * r + Vector256.Create(4.16666667e-2f);
        p = p * r + Vector256.Create(1.66666667e-1f);
        p = p * r + Vector256.Create(0.5f);
        p = p * r + Vector256<float>.One;
        p = p * r + Vector256<float>.One;
        Vector256<float> scale = ((Vector256.ConvertToInt32Native(n) + Vector256.Create(127)) << 23).AsSingle();
        // Never negative, so canonical without the absolute value.
        p *= scale;
        return p & Vector256.GreaterThanOrEqual(p, Vector256.Create(Contract.Tiny));
    }

    /// <summary><see cref="Contract.RoundHalfAway"/> of eight lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> RoundHalfAway(Vector256<float> v)
    {
        Vector256<float> magnitude = Vector256.Floor(Vector256.Abs(v) + Vector256.Create(0.5f));
        return Vector256.ConditionalSelect(Vector256.LessThan(v, Vector256<float>.Zero), -magnitude, magnitude);
    }

    /// <summary>1/(1 + e^−g), the sigmoid of SiLU, of eight lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Sigmoid(Vector256<float> g) => Reciprocal(Vector256<float>.One + Exp(-g));

    /// <summary><see cref="Contract.Tanh"/> of eight lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Tanh(Vector256<float> x)
    {
        Vector256<float> magnitude = Vector256.Abs(x), z = x * x;
        Vector256<float> p = Vector256.Create(-5.70498872745e-3f);
        p = p * z + Vector256.Create(2.06390887954e-2f);
        p = p * z - Vector256.Create(5.37397155531e-2f);
        p = p * z + Vector256.Create(1.33314422036e-1f);
        p = p * z - Vector256.Create(3.33332819422e-1f);
        Vector256<float> near = p * z * x + x;
        Vector256<float> far = Vector256<float>.One - Vector256.Create(2f) * Reciprocal(Exp(Vector256.Create(2f) * magnitude) + Vector256<float>.One);
        far = Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256<float>.Zero), -far, far);
        return Vector256.ConditionalSelect(Vector256.LessThan(magnitude, Vector256.Create(0.625f)), near, far);
    }

    /// <summary><see cref="Contract.Softcap"/> of eight lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> Softcap(Vector256<float> x, float cap, float inverse) => Canonical(Vector256.Create(cap) * Tanh(x * Vector256.Create(inverse)));

    /// <summary><see cref="Contract.NormalDistribution"/> of eight lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector256<float> NormalDistribution(Vector256<float> x)
    {
        Vector256<float> y = Vector256.Abs(x) * Vector256.Create(0.70710678f);
        Vector256<float> t = Reciprocal(Vector256<float>.One + Vector256.Create(0.3275911f) * y);
        Vector256<float> p = Vector256.Create(1.061405429f);
        p = p * t - Vector256.Create(1.453152027f);
        p = p * t + Vector256.Create(1.421413741f);
        p = p * t - Vector256.Create(0.284496736f);
        p = p * t + Vector256.Create(0.254829592f);
        Vector256<float> tail = Vector256.Create(0.5f) * (p * t * Exp(-(y * y)));
        return Vector256.ConditionalSelect(Vector256.LessThan(x, Vector256<float>.Zero), tail, Vector256<float>.One - tail);
    }

    /// <summary><see cref="Contract.Canonical"/>, elementwise; the spans may be the same.</summary>
    /// <param name="source">Values.</param>
    /// <param name="destination">At least as long.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void Canonical(ReadOnlySpan<float> source, Span<float> destination)
    {
        destination = destination[..source.Length];
        int i = 0;
        for (; i <= source.Length - Lanes; i += Lanes)
        {
            Canonical(Vector256.Create(source.Slice(i, Lanes))).CopyTo(destination[i..]);
        }

        for (; i < source.Length; i++)
        {
            destination[i] = Contract.Canonical(source[i]);
        }
    }
}
