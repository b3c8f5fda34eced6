using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;

namespace Portable.Reference.Training;

/// <summary>
/// Row reductions of training: eight partial sums (element k goes to partial k mod 8), then pairwise halving. The shape is
/// fixed, so a sum has the same bits on every machine.
/// </summary>
internal static class RowMath
{
    private const int Lanes = 8;

    /// <summary>Σ a·b.</summary>
    public static float Dot(ReadOnlySpan<float> a, ReadOnlySpan<float> b)
    {
        ref float left = ref MemoryMarshal.GetReference(a);
        ref float right = ref MemoryMarshal.GetReference(b);
        Vector256<float> sum = default;
        int k = 0;
        for (; k <= a.Length - Lanes; k += Lanes)
        {
            sum += Vector256.LoadUnsafe(ref left, (nuint)k) * Vector256.LoadUnsafe(ref right, (nuint)k);
        }

        Span<float> partial = stackalloc float[Lanes];
        sum.CopyTo(partial);
        for (int lane = 0; k < a.Length; k++, lane++)
        {
            partial[lane] += a[k] * b[k];
        }

        return Halve(partial);
    }

    /// <summary>Σ a.</summary>
    public static float Sum(ReadOnlySpan<float> a)
    {
        ref float source = ref MemoryMarshal.GetReference(a);
        Vector256<float> sum = default;
        int k = 0;
        for (; k <= a.Length - Lanes; k += Lanes)
        {
            sum += Vector256.LoadUnsafe(ref source, (nuint)k);
        }

        Span<float> partial = stackalloc float[Lanes];
        sum.CopyTo(partial);
        for (int lane = 0; k < a.Length; k++, lane++)
        {
            partial[lane] += a[k];
        }

        return Halve(partial);
    }

    /// <summary>Sums eight partial sums pairwise.</summary>
    public static float Halve(ReadOnlySpan<float> p) => ((p[0] + p[4]) + (p[2] + p[6])) + ((p[1] + p[5]) + (p[3] + p[7]));

    /// <summary>
    /// ln x of eight positive normal numbers, within 2e-7: x = m·2^e with m in √½ … √2, ln x = e·ln 2 + 2·artanh((m−1)/(m+1)).
    /// The libraries of different machines differ in the last bit; this does not.
    /// </summary>
    public static Vector256<float> Log(Vector256<float> x)
    {
        Vector256<int> bits = x.AsInt32(), exponent = (bits - Vector256.Create(0x3F3504F3)) >> 23;
        Vector256<float> m = (bits - (exponent << 23)).AsSingle(), one = Vector256<float>.One;
        Vector256<float> z = (m - one) / (m + one), square = z * z;
        Vector256<float> series = one + square * (Vector256.Create(1f / 3) + square * (Vector256.Create(1f / 5) + square * (Vector256.Create(1f / 7) + square * Vector256.Create(1f / 9))));
        return Vector256.ConvertToSingle(exponent) * Vector256.Create(0.69314718f) + (z + z) * series;
    }

    /// <summary>The scalar form of <see cref="Log(Vector256{float})"/>.</summary>
    public static float Log(float x) => Log(Vector256.Create(x))[0];
}
