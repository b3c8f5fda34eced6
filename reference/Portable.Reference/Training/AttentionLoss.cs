using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.Threading;

namespace Portable.Reference.Training;

/// <summary>How attention maps are compared.</summary>
internal enum AttentionDivergence
{
    /// <summary>Not compared.</summary>
    None,

    /// <summary>Mean over queries of KL(A_fp‖A_q) + KL(A_q‖A_fp) on the probabilities themselves.</summary>
    PerRow,

    /// <summary>As the ABQ-LLM authors compute it: a second softmax over probabilities, mean over all T² elements; numerically inert.</summary>
    Published,
}

/// <summary>Divergence of the student's attention map from the teacher's (both averaged over heads), with its gradient.</summary>
internal static class AttentionLoss
{
    /// <summary>Probabilities below this count as this, so that a logarithm stays finite.</summary>
    private const float Floor = 1e-6f;

    private const int Lanes = 8;

    /// <summary>weight·divergence; its gradient overwrites <paramref name="gradient"/>.</summary>
    /// <param name="divergence">Which divergence.</param>
    /// <param name="student">A_q, [query × tokens + key], causal.</param>
    /// <param name="teacher">A_fp, alike.</param>
    /// <param name="gradient">∂loss/∂A_q.</param>
    /// <param name="tokens">T.</param>
    /// <param name="weight">Factor.</param>
    public static double Compute(AttentionDivergence divergence, float[] student, float[] teacher, float[] gradient, int tokens, float weight)
    {
        double[] rows = new double[tokens];
        WorkerPool.Run(tokens, t =>
        {
            ReadOnlySpan<float> a = student.AsSpan(t * tokens, tokens), b = teacher.AsSpan(t * tokens, tokens);
            Span<float> g = gradient.AsSpan(t * tokens, tokens);
            g.Clear();
            rows[t] = divergence == AttentionDivergence.PerRow
                ? Symmetric(a[..(t + 1)], b[..(t + 1)], g[..(t + 1)], weight / tokens)
                : SecondSoftmax(a, b, g, t + 1, weight / ((float)tokens * tokens));
        });

        double sum = 0;
        foreach (double row in rows)
        {
            sum += row;
        }

        return divergence == AttentionDivergence.PerRow ? weight * sum / tokens : weight * sum / ((double)tokens * tokens);
    }

    // Σ (a − b)(ln a − ln b): both directions at once, eight partial sums.
    private static double Symmetric(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> gradient, float weight)
    {
        Vector256<float> sum = default, floor = Vector256.Create(Floor), one = Vector256<float>.One, factor = Vector256.Create(weight);
        Span<float> left = stackalloc float[Lanes], right = stackalloc float[Lanes];
        for (int k = 0; k < a.Length; k += Lanes)
        {
            int length = Math.Min(Lanes, a.Length - k);
            left.Clear();
            right.Clear();
            a.Slice(k, length).CopyTo(left);
            b.Slice(k, length).CopyTo(right);
            Vector256<float> raw = Vector256.Create<float>(left), p = Vector256.Max(raw, floor), q = Vector256.Max(Vector256.Create<float>(right), floor);
            Vector256<float> ratio = p / q, logarithm = RowMath.Log(ratio);
            sum += (p - q) * logarithm;
            Vector256<float> slope = factor * (logarithm + one - q / p) & Vector256.GreaterThan(raw, floor);
            slope.CopyTo(left);
            left[..length].CopyTo(gradient[k..]);
        }

        sum.CopyTo(left);
        return RowMath.Halve(left);
    }

    private static double SecondSoftmax(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> gradient, int visible, float weight)
    {
        float sumA = 0, sumB = 0;
        for (int k = 0; k < a.Length; k++)
        {
            sumA += Contract.Exp(a[k]);
            sumB += Contract.Exp(b[k]);
        }

        // ln p − ln q of the second softmax is a − b up to one constant per row.
        double forward = 0, backward = 0;
        float shift = RowMath.Log(sumA / sumB);
        for (int k = 0; k < a.Length; k++)
        {
            float p = Contract.Exp(a[k]) / sumA, q = Contract.Exp(b[k]) / sumB, ratio = a[k] - b[k] - shift;
            forward -= q * ratio;
            backward += p * ratio;
        }

        for (int k = 0; k < visible; k++)
        {
            float p = Contract.Exp(a[k]) / sumA, q = Contract.Exp(b[k]) / sumB, ratio = a[k] - b[k] - shift;
            gradient[k] = weight * (p - q + p * (ratio - (float)backward));
        }

        return forward + backward;
    }
}
