using System.Numerics.Tensors;
using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

namespace Portable.Evaluation;

/// <summary>Cross entropy of logits, in an order that no vector width changes.</summary>
internal static class CrossEntropy
{
    /// <summary>−ln softmax(logits)[target], nats: ln Σ e^(l − max) + max − l[target], the sum in double over eight lanes.</summary>
    /// <param name="logits">One logit per token.</param>
    /// <param name="target">The token that came.</param>
    public static double Loss(ReadOnlySpan<float> logits, int target)
    {
        float maximum = TensorPrimitives.Max(logits);
        Vector256<float> shift = Vector256.Create(maximum);
        Vector256<double> low = default, high = default;
        ReadOnlySpan<Vector256<float>> vectors = MemoryMarshal.Cast<float, Vector256<float>>(logits);
        foreach (Vector256<float> v in vectors)
        {
            (Vector256<double> a, Vector256<double> b) = Vector256.Widen(VectorContract.Exp(v - shift));
            low += a;
            high += b;
        }

        Vector256<double> lanes = low + high;
        double sum = lanes[0] + lanes[1] + (lanes[2] + lanes[3]);
        for (int i = vectors.Length * Vector256<float>.Count; i < logits.Length; i++)
        {
            sum += Contract.Exp(logits[i] - maximum);
        }

        return Math.Log(sum) + maximum - logits[target];
    }
}
