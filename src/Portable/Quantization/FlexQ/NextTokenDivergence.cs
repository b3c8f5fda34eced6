using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

namespace Portable.Quantization.FlexQ;

/// <summary>KL divergence between the softmax distributions of two rows of logits, in an order that no vector width changes.</summary>
internal static class NextTokenDivergence
{
    /// <summary>Σ p·(ln p − ln q) with p, q the softmax of the rows, nats.</summary>
    public static double Of(ReadOnlySpan<float> reference, ReadOnlySpan<float> other)
    {
        float maximumP = Maximum(reference), maximumQ = Maximum(other);
        Vector256<double> sumP = default, sumQ = default, cross = default;
        ReadOnlySpan<Vector256<float>> p = MemoryMarshal.Cast<float, Vector256<float>>(reference), q = MemoryMarshal.Cast<float, Vector256<float>>(other);
        Vector256<float> shiftP = Vector256.Create(maximumP), shiftQ = Vector256.Create(maximumQ);
        for (int i = 0; i < p.Length; i++)
        {
            Vector256<float> a = p[i] - shiftP, b = q[i] - shiftQ, ep = VectorContract.Exp(a);
            (Vector256<double> low, Vector256<double> high) = Vector256.Widen(ep);
            (Vector256<double> lowQ, Vector256<double> highQ) = Vector256.Widen(VectorContract.Exp(b));
            (Vector256<double> lowD, Vector256<double> highD) = Vector256.Widen(a - b);
            sumP += low + high;
            sumQ += lowQ + highQ;
            cross += low * lowD + high * highD;
        }

        double z = Total(sumP), w = Total(sumQ), c = Total(cross);
        for (int i = p.Length * Vector256<float>.Count; i < reference.Length; i++)
        {
            float a = reference[i] - maximumP, b = other[i] - maximumQ;
            double e = Contract.Exp(a);
            z += e;
            w += Contract.Exp(b);
            c += e * (a - b);
        }

        return c / z - (Math.Log(z) - Math.Log(w));
    }

    private static float Maximum(ReadOnlySpan<float> values)
    {
        float maximum = float.NegativeInfinity;
        foreach (float v in values)
        {
            maximum = MathF.Max(maximum, v);
        }

        return maximum;
    }

    private static double Total(Vector256<double> v) => (v[0] + v[1]) + (v[2] + v[3]);
}
