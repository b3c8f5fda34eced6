using System.Runtime.Intrinsics;
using Portable.Reference.Threading;

namespace Portable.Reference.Arithmetic;

/// <summary>
/// f32 matrix products of unquantized models and training. Each output is Σ_k in ascending k with fused multiply-add, lanes
/// being outputs, so that the result is the same on every instruction set and for every thread count.
/// </summary>
public static class FloatGemm
{
    /// <summary>y (+)= x·wᵀ.</summary>
    /// <param name="x">M×K.</param>
    /// <param name="w">N×K.</param>
    /// <param name="y">M×N.</param>
    /// <param name="m">M.</param>
    /// <param name="n">N.</param>
    /// <param name="k">K.</param>
    /// <param name="accumulate">Start from y instead of 0.</param>
    public static void Multiply(ReadOnlySpan<float> x, ReadOnlySpan<float> w, Span<float> y, int m, int n, int k, bool accumulate = false)
    {
        float[] transposed = new float[(long)n * k];
        for (int j = 0; j < n; j++)
        {
            for (int i = 0; i < k; i++)
            {
                transposed[i * n + j] = w[j * k + i];
            }
        }

        MultiplyNN(x, transposed, y, m, n, k, accumulate);
    }

    /// <summary>y (+)= x·b.</summary>
    /// <param name="x">M×K.</param>
    /// <param name="b">K×N.</param>
    /// <param name="y">M×N.</param>
    /// <param name="m">M.</param>
    /// <param name="n">N.</param>
    /// <param name="k">K.</param>
    /// <param name="accumulate">Start from y instead of 0.</param>
    public static unsafe void MultiplyNN(ReadOnlySpan<float> x, ReadOnlySpan<float> b, Span<float> y, int m, int n, int k, bool accumulate = false)
    {
        if (x.Length < (long)m * k || b.Length < (long)k * n || y.Length < (long)m * n)
        {
            throw new ArgumentException($"The operands do not fit {m}×{n}×{k}.");
        }

        fixed (float* px = x, pb = b, py = y)
        {
            float* a = px, bb = pb, c = py;
            WorkerPool.Run(m, row =>
            {
                Span<float> target = new(c + (long)row * n, n);
                if (!accumulate)
                {
                    target.Clear();
                }

                for (int i = 0; i < k; i++)
                {
                    float value = a[(long)row * k + i];
                    ReadOnlySpan<float> source = new(bb + (long)i * n, n);
                    int j = 0;
                    for (; j <= n - 8; j += 8)
                    {
                        Vector256.FusedMultiplyAdd(Vector256.Create(value), Vector256.Create(source.Slice(j, 8)), Vector256.Create<float>(target.Slice(j, 8))).CopyTo(target[j..]);
                    }

                    for (; j < n; j++)
                    {
                        target[j] = MathF.FusedMultiplyAdd(value, source[j], target[j]);
                    }
                }
            });
        }
    }

    /// <summary>y (+)= aᵀ·b.</summary>
    /// <param name="a">K×M.</param>
    /// <param name="b">K×N.</param>
    /// <param name="y">M×N.</param>
    /// <param name="m">M.</param>
    /// <param name="n">N.</param>
    /// <param name="k">K.</param>
    /// <param name="accumulate">Start from y instead of 0.</param>
    public static void MultiplyTN(ReadOnlySpan<float> a, ReadOnlySpan<float> b, Span<float> y, int m, int n, int k, bool accumulate = false)
    {
        float[] transposed = new float[(long)m * k];
        for (int i = 0; i < k; i++)
        {
            for (int j = 0; j < m; j++)
            {
                transposed[j * k + i] = a[i * m + j];
            }
        }

        MultiplyNN(transposed, b, y, m, n, k, accumulate);
    }
}
