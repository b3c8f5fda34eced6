using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.Arithmetic;

/// <summary>Sixteen lanes of the same, for what runs long enough to ask whether the processor has them.</summary>
internal static partial class VectorContract
{
    /// <summary>Lanes of the wide forms.</summary>
    public const int WideLanes = 16;

    /// <summary><see cref="Contract.Canonical"/> of sixteen lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Canonical(Vector512<float> v) =>
        Vector512.ConditionalSelect(Vector512.LessThan(Vector512.Abs(v), Vector512.Create(Contract.Tiny)), Vector512<float>.Zero, v);

    /// <summary><see cref="Contract.Reciprocal"/> of sixteen lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Reciprocal(Vector512<float> x)
    {
        Vector512<float> two = Vector512.Create(2f);
        Vector512<float> y = (Vector512.Create(0x7EF311C7) - x.AsInt32()).AsSingle();
        y *= two - x * y;
        y *= two - x * y;
        y *= two - x * y;
        return y;
    }

    /// <summary><see cref="Contract.Exp"/> of sixteen lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Exp(Vector512<float> x) => ExpBelow60(Vector512.MinNative(x, Vector512.Create(60f)));

    /// <summary><see cref="Contract.Exp"/> of sixteen lanes that are at most 60 (−∞ included).</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> ExpBelow60(Vector512<float> x)
    {
        x = Vector512.MaxNative(x, Vector512.Create(-60f));
        Vector512<float> n = Vector512.Round(x * Vector512.Create(1.44269504f));
        Vector512<float> r = x - n * Vector512.Create(0.693359375f);
        r -= n * Vector512.Create(-2.12194440e-4f);
        Vector512<float> p = Vector512.Create(1.38888889e-3f);
        p = p * r + Vector512.Create(8.33333333e-3f);
        p = p * r + Vector512.Create(4.16666667e-2f);
        p = p * r + Vector512.Create(1.66666667e-1f);
        p = p * r + Vector512.Create(0.5f);
        p = p * r + Vector512<float>.One;
        p = p * r + Vector512<float>.One;
        p *= ((Vector512.ConvertToInt32Native(n) + Vector512.Create(127)) << 23).AsSingle();
        return Vector512.ConditionalSelect(Vector512.LessThan(p, Vector512.Create(Contract.Tiny)), Vector512<float>.Zero, p);
    }

    /// <summary>1/(1 + e^−g) of sixteen lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Sigmoid(Vector512<float> g) => Reciprocal(Vector512<float>.One + Exp(-g));

    /// <summary><see cref="Contract.Softcap"/> of sixteen lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> Softcap(Vector512<float> x, float cap, float inverse) =>
        Vector512.Create(Softcap(x.GetLower(), cap, inverse), Softcap(x.GetUpper(), cap, inverse));

    /// <summary><see cref="Contract.NormalDistribution"/> of sixteen lanes.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static Vector512<float> NormalDistribution(Vector512<float> x) => Vector512.Create(NormalDistribution(x.GetLower()), NormalDistribution(x.GetUpper()));
}
