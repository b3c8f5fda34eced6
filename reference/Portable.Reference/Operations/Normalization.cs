using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

namespace Portable.Reference.Operations;

/// <summary>RMSNorm (Zhang and Sennrich, eq. 4) and LayerNorm (Ba et al.) of independent rows.</summary>
public static class Normalization
{
    /// <summary>y = canonical((x · r) · gain), r = 1/√(mean x² + ε).</summary>
    /// <param name="x">rows × columns.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns K.</param>
    /// <param name="gain">K values.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="y">rows × columns; may be x.</param>
    public static void RmsNorm(ReadOnlySpan<float> x, int rows, int columns, ReadOnlySpan<float> gain, float epsilon, Span<float> y)
    {
        float inverse = 1f / columns;
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> source = x.Slice(row * columns, columns);
            float r = Contract.ReciprocalSquareRoot(Ordered.Dot(source, source) * inverse + epsilon);
            Scale(source, r, gain, default, y.Slice(row * columns, columns));
        }
    }

    /// <summary>d = x − mean; y = canonical((d · r) · gain + bias), r = 1/√(mean d² + ε).</summary>
    /// <param name="x">rows × columns.</param>
    /// <param name="rows">Rows.</param>
    /// <param name="columns">Columns K.</param>
    /// <param name="gain">K values.</param>
    /// <param name="bias">K values.</param>
    /// <param name="epsilon">ε.</param>
    /// <param name="y">rows × columns; may be x.</param>
    public static void LayerNorm(ReadOnlySpan<float> x, int rows, int columns, ReadOnlySpan<float> gain, ReadOnlySpan<float> bias, float epsilon, Span<float> y)
    {
        float inverse = 1f / columns;
        for (int row = 0; row < rows; row++)
        {
            ReadOnlySpan<float> source = x.Slice(row * columns, columns);
            Span<float> target = y.Slice(row * columns, columns);
            Subtract(source, Ordered.Sum(source) * inverse, target);
            float r = Contract.ReciprocalSquareRoot(Ordered.Dot(target, target) * inverse + epsilon);
            Scale(target, r, gain, bias, target);
        }
    }

    private static void Subtract(ReadOnlySpan<float> x, float mean, Span<float> y)
    {
        int i = 0;
        for (; i <= x.Length - 8; i += 8)
        {
            (Vector256.Create(x.Slice(i, 8)) - Vector256.Create(mean)).CopyTo(y[i..]);
        }

        for (; i < x.Length; i++)
        {
            y[i] = x[i] - mean;
        }
    }

    /// <summary>y = canonical((x·r)·gain + bias), without the addition where there is no bias.</summary>
    private static void Scale(ReadOnlySpan<float> x, float r, ReadOnlySpan<float> gain, ReadOnlySpan<float> bias, Span<float> y)
    {
        gain = gain[..x.Length];
        int i = 0;
        for (; i <= x.Length - 8; i += 8)
        {
            Vector256<float> v = Vector256.Create(x.Slice(i, 8)) * Vector256.Create(r) * Vector256.Create(gain.Slice(i, 8));
            v = bias.IsEmpty ? v : v + Vector256.Create(bias.Slice(i, 8));
            VectorContract.Canonical(v).CopyTo(y[i..]);
        }

        for (; i < x.Length; i++)
        {
            float v = x[i] * r * gain[i];
            y[i] = Contract.Canonical(bias.IsEmpty ? v : v + bias[i]);
        }
    }
}
