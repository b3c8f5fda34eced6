using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Threading;

namespace Portable.Reference.Algorithms.Baselines;

/// <summary>
/// The weights that, on the inputs which the quantized layer will really see, come closest to the exact layer's outputs:
/// W* = W·C·(H + λI)⁻¹ with H = Σ x̂·x̂ᵀ and C = Σ x·x̂ᵀ + λI, x the exact and x̂ the quantized input. Since
/// ‖W·x − Ŵ·x̂‖² = ‖(W* − Ŵ)·x̂‖² + a constant, GPTQ on W* with H minimises the true output error, activations included.
/// </summary>
internal static class TargetCorrection
{
    // So many rows of W share each row of C and of the factor, which come from far away.
    private const int RowTile = 8;

    /// <summary>Computes W*.</summary>
    /// <param name="weights">W, N×K.</param>
    /// <param name="rows">N.</param>
    /// <param name="columns">K.</param>
    /// <param name="cross">Σ x·x̂ᵀ, K×K, [exact × quantized].</param>
    /// <param name="hessian">Σ x̂·x̂ᵀ, K×K; its mean diagonal times <paramref name="damping"/> is the λ of both.</param>
    /// <param name="factor">Factor of the damped H from <see cref="Gptq.Factor"/>.</param>
    /// <param name="order">The order of that factor.</param>
    /// <param name="damping">The damping of that factor.</param>
    /// <param name="missing">Σ r·x̂ᵀ, N×K, of what the layer's outputs should carry beyond W·x (what the residual stream lacks before them), or null.</param>
    public static float[] Correct(ReadOnlySpan<float> weights, int rows, int columns, double[] cross, double[] hessian, InverseFactor factor, int[] order, double damping, double[]? missing = null)
    {
        double lambda = Gptq.Lambda(hessian, columns, damping);
        float[] source = weights.ToArray(), corrected = new float[source.Length];
        WorkerPool.Run((rows + RowTile - 1) / RowTile, tile =>
        {
            int start = tile * RowTile, count = Math.Min(RowTile, rows - start);
            double[] product = missing?[(start * columns)..((start + count) * columns)] ?? new double[count * columns], permuted = new double[count * columns], solved = new double[count * columns];
            for (int k = 0; k < columns; k++)
            {
                ReadOnlySpan<double> row = cross.AsSpan(k * columns, columns);
                for (int r = 0; r < count; r++)
                {
                    AddScaled(product.AsSpan(r * columns, columns), source[(start + r) * columns + k], row);
                }
            }

            for (int i = 0; i < permuted.Length; i++)
            {
                int at = i / columns * columns + order[i % columns];
                permuted[i] = product[at] + lambda * source[start * columns + at];
            }

            // (H + λI)⁻¹ = L⁻ᵀ·L⁻¹, row by row of L⁻¹.
            for (int p = 0; p < columns; p++)
            {
                ReadOnlySpan<double> row = factor.Rows.AsSpan(p * columns, p + 1);
                for (int r = 0; r < count; r++)
                {
                    AddScaled(solved.AsSpan(r * columns, p + 1), Dot(row, permuted.AsSpan(r * columns, p + 1)), row);
                }
            }

            for (int i = 0; i < solved.Length; i++)
            {
                corrected[start * columns + i / columns * columns + order[i % columns]] = (float)solved[i];
            }
        });
        return corrected;
    }

    private static void AddScaled(Span<double> target, double factor, ReadOnlySpan<double> direction)
    {
        Span<Vector256<double>> t = MemoryMarshal.Cast<double, Vector256<double>>(target);
        ReadOnlySpan<Vector256<double>> d = MemoryMarshal.Cast<double, Vector256<double>>(direction);
        Vector256<double> f = Vector256.Create(factor);
        for (int v = 0; v < t.Length; v++)
        {
            t[v] += f * d[v];
        }

        for (int i = t.Length * Vector256<double>.Count; i < target.Length; i++)
        {
            target[i] += factor * direction[i];
        }
    }

    private static double Dot(ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        ReadOnlySpan<Vector256<double>> x = MemoryMarshal.Cast<double, Vector256<double>>(a), y = MemoryMarshal.Cast<double, Vector256<double>>(b);
        Vector256<double> s = default;
        for (int v = 0; v < x.Length; v++)
        {
            s += x[v] * y[v];
        }

        double sum = (s[0] + s[1]) + (s[2] + s[3]);
        for (int i = x.Length * Vector256<double>.Count; i < a.Length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }
}
