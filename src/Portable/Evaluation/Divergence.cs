using System.Numerics.Tensors;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Portable.Evaluation;

/// <summary>Kullback–Leibler divergence of softmaxes, in double, in an order that no vector width changes.</summary>
internal static class Divergence
{
    // 1.5·2^52: added and taken away again, it rounds to a whole number, which stands in the sum's lowest bits.
    private const double Rounder = 6755399441055744, Log2E = 1.4426950408889634, Ln2High = 0.693147180369123816490, Ln2Low = 1.90821492927058770002e-10;

    // e^−708 is the smallest normal power of e; a probability below it changes no sum.
    private const double Least = -708;

    /// <summary>Σ p·ln(p/q) of p = softmax(<paramref name="reference"/>) and q = softmax(<paramref name="other"/>), nats; never negative.</summary>
    /// <remarks>As Σ p·(f − g) − (ln Σ e^f − ln Σ e^g) with both maxima taken away before: one pass behind that of the maxima.</remarks>
    /// <param name="reference">f: one logit per token.</param>
    /// <param name="other">g: as many.</param>
    public static double Of(ReadOnlySpan<float> reference, ReadOnlySpan<float> other)
    {
        Vector256<double> shift = Vector256.Create((double)TensorPrimitives.Max(reference)), otherShift = Vector256.Create((double)TensorPrimitives.Max(other));
        Vector256<double> sum = default, otherSum = default, moved = default;
        int i = 0;
        for (; i <= reference.Length - Vector256<float>.Count; i += Vector256<float>.Count)
        {
            (Vector256<double> low, Vector256<double> high) = Vector256.Widen(Vector256.Create(reference[i..]));
            (Vector256<double> otherLow, Vector256<double> otherHigh) = Vector256.Widen(Vector256.Create(other[i..]));
            Add(low - shift, otherLow - otherShift, ref sum, ref otherSum, ref moved);
            Add(high - shift, otherHigh - otherShift, ref sum, ref otherSum, ref moved);
        }

        // Lanes behind the last logit are so far below the largest that they change no sum.
        Span<double> rest = stackalloc double[Vector256<float>.Count], otherRest = stackalloc double[Vector256<float>.Count];
        rest.Fill(Least);
        otherRest.Fill(Least);
        for (int lane = 0; i < reference.Length; i++, lane++)
        {
            (rest[lane], otherRest[lane]) = (reference[i] - shift[0], other[i] - otherShift[0]);
        }

        Add(Vector256.Create<double>(rest), Vector256.Create<double>(otherRest), ref sum, ref otherSum, ref moved);
        Add(Vector256.Create<double>(rest[Vector256<double>.Count..]), Vector256.Create<double>(otherRest[Vector256<double>.Count..]), ref sum, ref otherSum, ref moved);
        double total = Total(sum);
        return Math.Max(0, (Total(moved) / total) - (Math.Log(total) - Math.Log(Total(otherSum))));
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void Add(Vector256<double> f, Vector256<double> g, ref Vector256<double> sum, ref Vector256<double> otherSum, ref Vector256<double> moved)
    {
        Vector256<double> e = Exp(f);
        sum += e;
        otherSum += Exp(g);
        moved += e * (f - g);
    }

    /// <summary>Whether both have their largest logit at the same token; of equal ones the first counts.</summary>
    public static bool SameTop(ReadOnlySpan<float> reference, ReadOnlySpan<float> other) => TensorPrimitives.IndexOfMax(reference) == TensorPrimitives.IndexOfMax(other);

    /// <summary>e^x of four lanes that are at most 0, to 2 units in the last place: Cody and Waite's reduction, Taylor's series to the 13th power.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static Vector256<double> Exp(Vector256<double> x)
    {
        x = Vector256.MaxNative(x, Vector256.Create(Least));
        Vector256<double> rounded = (x * Vector256.Create(Log2E)) + Vector256.Create(Rounder), n = rounded - Vector256.Create(Rounder);
        Vector256<double> r = x - (n * Vector256.Create(Ln2High)) - (n * Vector256.Create(Ln2Low));
        Vector256<double> p = Vector256.Create(1 / 6227020800.0);
        p = (p * r) + Vector256.Create(1 / 479001600.0);
        p = (p * r) + Vector256.Create(1 / 39916800.0);
        p = (p * r) + Vector256.Create(1 / 3628800.0);
        p = (p * r) + Vector256.Create(1 / 362880.0);
        p = (p * r) + Vector256.Create(1 / 40320.0);
        p = (p * r) + Vector256.Create(1 / 5040.0);
        p = (p * r) + Vector256.Create(1 / 720.0);
        p = (p * r) + Vector256.Create(1 / 120.0);
        p = (p * r) + Vector256.Create(1 / 24.0);
        p = (p * r) + Vector256.Create(1 / 6.0);
        p = (p * r) + Vector256.Create(0.5);
        p = (p * r) + Vector256<double>.One;
        p = (p * r) + Vector256<double>.One;
        return (p.AsInt64() + (rounded.AsInt64() << 52)).AsDouble();
    }

    private static double Total(Vector256<double> lanes) => lanes[0] + lanes[1] + (lanes[2] + lanes[3]);
}
