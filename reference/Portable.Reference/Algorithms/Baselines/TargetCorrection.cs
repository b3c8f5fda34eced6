using System.Runtime.InteropServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;
using Portable.Reference.Threading;

namespace Portable.Reference.Algorithms.Baselines;

/// <summary>
/// The weights that, on the inputs which the quantized layer will really see, come closest to the exact layer's outputs:
/// W* = W·C·(H + λI)⁻¹ with H = Σ x̂·x̂ᵀ and C = Σ x·x̂ᵀ + λI, x the exact and x̂ the quantized input. Since
/// ‖W·x − Ŵ·x̂‖² = ‖(W* − Ŵ)·x̂‖² + a constant, GPTQ on W* with H minimises the true output error, activations included.
/// </summary>
internal static unsafe class TargetCorrection
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
            Span<nint> left = stackalloc nint[count], right = stackalloc nint[count];
            double[] rowsOfWeights = Array.ConvertAll(source[(start * columns)..((start + count) * columns)], w => (double)w);
            fixed (double* a = rowsOfWeights, b = cross, c = product)
            {
                Point(left, a, columns);
                Point(right, c, columns);
                OrderedProduct.Add(left, b, columns, columns, right, columns);
            }

            for (int i = 0; i < permuted.Length; i++)
            {
                int at = i / columns * columns + order[i % columns];
                permuted[i] = product[at] + lambda * source[start * columns + at];
            }

            // (H + λI)⁻¹ = L⁻ᵀ·L⁻¹, a panel of rows of L⁻¹ after the other: those columns first that the panel's own diagonal is among.
            double[] dots = new double[count * Gptq.Panel];
            fixed (double* a = dots, b = factor.Rows, c = solved)
            {
                for (int from = 0; from < columns; from += Gptq.Panel)
                {
                    int width = Math.Min(Gptq.Panel, columns - from);
                    for (int p = from; p < from + width; p++)
                    {
                        ReadOnlySpan<double> row = factor.Rows.AsSpan(p * columns, p + 1);
                        Dots(row, permuted, columns, dots.AsSpan(p - from), count);
                        for (int r = 0; r < count; r++)
                        {
                            AddScaled(solved.AsSpan(r * columns + from, p + 1 - from), dots[r * Gptq.Panel + p - from], row[from..]);
                        }
                    }

                    Point(left, a, Gptq.Panel);
                    Point(right, c, columns);
                    OrderedProduct.Add(left, b + (long)from * columns, columns, width, right, from);
                }
            }

            for (int i = 0; i < solved.Length; i++)
            {
                corrected[start * columns + i / columns * columns + order[i % columns]] = (float)solved[i];
            }
        });
        return corrected;
    }

    private static void Point(Span<nint> rows, double* first, int stride)
    {
        for (int r = 0; r < rows.Length; r++)
        {
            rows[r] = (nint)(first + r * stride);
        }
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

    /// <summary>A row of L⁻¹ times every row of what is solved for, in four partial sums each; four rows go along it side by side.</summary>
    private static void Dots(ReadOnlySpan<double> row, double[] values, int stride, Span<double> dots, int count)
    {
        ReadOnlySpan<Vector256<double>> x = MemoryMarshal.Cast<double, Vector256<double>>(row);
        int r = 0;
        for (; r <= count - 4; r += 4)
        {
            ReadOnlySpan<double> y0 = values.AsSpan(r * stride, row.Length), y1 = values.AsSpan((r + 1) * stride, row.Length);
            ReadOnlySpan<double> y2 = values.AsSpan((r + 2) * stride, row.Length), y3 = values.AsSpan((r + 3) * stride, row.Length);
            ReadOnlySpan<Vector256<double>> v0 = MemoryMarshal.Cast<double, Vector256<double>>(y0), v1 = MemoryMarshal.Cast<double, Vector256<double>>(y1);
            ReadOnlySpan<Vector256<double>> v2 = MemoryMarshal.Cast<double, Vector256<double>>(y2), v3 = MemoryMarshal.Cast<double, Vector256<double>>(y3);
            Vector256<double> s0 = default, s1 = default, s2 = default, s3 = default;
            for (int v = 0; v < x.Length; v++)
            {
                s0 += x[v] * v0[v];
                s1 += x[v] * v1[v];
                s2 += x[v] * v2[v];
                s3 += x[v] * v3[v];
            }

            dots[r * Gptq.Panel] = Ended(s0, row, y0);
            dots[(r + 1) * Gptq.Panel] = Ended(s1, row, y1);
            dots[(r + 2) * Gptq.Panel] = Ended(s2, row, y2);
            dots[(r + 3) * Gptq.Panel] = Ended(s3, row, y3);
        }

        for (; r < count; r++)
        {
            ReadOnlySpan<double> y = values.AsSpan(r * stride, row.Length);
            ReadOnlySpan<Vector256<double>> vectors = MemoryMarshal.Cast<double, Vector256<double>>(y);
            Vector256<double> s = default;
            for (int v = 0; v < x.Length; v++)
            {
                s += x[v] * vectors[v];
            }

            dots[r * Gptq.Panel] = Ended(s, row, y);
        }
    }

    /// <summary>The partial sums pairwise, and what is behind the last whole four one by one.</summary>
    private static double Ended(Vector256<double> s, ReadOnlySpan<double> a, ReadOnlySpan<double> b)
    {
        double sum = (s[0] + s[1]) + (s[2] + s[3]);
        for (int i = a.Length / Vector256<double>.Count * Vector256<double>.Count; i < a.Length; i++)
        {
            sum += a[i] * b[i];
        }

        return sum;
    }
}
