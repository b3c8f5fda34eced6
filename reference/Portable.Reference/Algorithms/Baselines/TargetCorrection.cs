using System.Runtime.CompilerServices;
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
    // So many rows of W share each row of C and of the factor, which come from far away; columns of the factor that are multiplied at a time.
    private const int RowTile = 32, Stretch = 256;

    private const int FactorSlot = 0, SumsSlot = 1;

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
            fixed (double* a = dots, b = factor.Rows, c = solved, y = permuted)
            {
                for (int from = 0; from < columns; from += Gptq.Panel)
                {
                    int width = Math.Min(Gptq.Panel, columns - from);
                    Dots(b + (long)from * columns, width, from, y, count, columns, a);
                    for (int p = from; p < from + width; p++)
                    {
                        ReadOnlySpan<double> row = factor.Rows.AsSpan(p * columns, p + 1);
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

    /// <summary>
    /// A panel of rows of L⁻¹, each up to its diagonal, times every row of what is solved for, in four partial sums each: up to the panel's first column,
    /// where all rows are as long, two of them by four go side by side, a stretch of columns after the other.
    /// </summary>
    /// <param name="factor">First row of the panel.</param>
    /// <param name="width">Its rows.</param>
    /// <param name="from">Its first column, a multiple of four.</param>
    /// <param name="values">What is solved for.</param>
    /// <param name="count">Rows of it.</param>
    /// <param name="columns">Elements from row to row of both.</param>
    /// <param name="dots">Receives a row of <see cref="Gptq.Panel"/> for each row of it.</param>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void Dots(double* factor, int width, int from, double* values, int count, int columns, double* dots)
    {
        double* copy = Scratch.Get<double>(FactorSlot, Gptq.Panel * Stretch), sums = Scratch.Get<double>(SumsSlot, RowTile * Gptq.Panel * 4);
        new Span<double>(sums, RowTile * Gptq.Panel * 4).Clear();
        for (int k = 0; k < from; k += Stretch)
        {
            int length = Math.Min(Stretch, from - k);
            for (int p = 0; p < width; p++)
            {
                new ReadOnlySpan<double>(factor + (long)p * columns + k, length).CopyTo(new Span<double>(copy + p * length, length));
            }

            // What is missing in the last four and the last two is computed with others' values, and not used.
            for (int r = 0; r < count; r += 4)
            {
                double* y = values + (long)r * columns + k;
                long next = r + 1 < count ? columns : 0, second = r + 2 < count ? 2L * columns : 0, third = r + 3 < count ? 3L * columns : 0;
                for (int p = 0; p < width; p += 2)
                {
                    double* x = copy + p * length;
                    AddProducts(x, p + 1 < width ? x + length : x, y, y + next, y + second, y + third, length, sums + (r * Gptq.Panel + p * 4) * 4);
                }
            }
        }

        for (int p = 0; p < width; p++)
        {
            ReadOnlySpan<double> x = new(factor + (long)p * columns + from, p + 1);
            for (int r = 0; r < count; r++)
            {
                double* y = values + (long)r * columns + from;
                Vector256<double> sum = Vector256.Load(sums + (r / 4 * 4 * Gptq.Panel + p * 4 + r % 4) * 4);
                for (int k = 0; k + 4 <= x.Length; k += 4)
                {
                    sum += Vector256.Create(x.Slice(k, 4)) * Vector256.Load(y + k);
                }

                dots[r * Gptq.Panel + p] = Ended(sum, x, new(y, x.Length));
            }
        }
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static void AddProducts(double* x0, double* x1, double* y0, double* y1, double* y2, double* y3, int length, double* sums)
    {
        Vector256<double> s00 = Vector256.Load(sums), s01 = Vector256.Load(sums + 4), s02 = Vector256.Load(sums + 8), s03 = Vector256.Load(sums + 12);
        Vector256<double> s10 = Vector256.Load(sums + 16), s11 = Vector256.Load(sums + 20), s12 = Vector256.Load(sums + 24), s13 = Vector256.Load(sums + 28);
        for (nint k = 0; k < length; k += 4)
        {
            Vector256<double> v0 = Vector256.Load(x0 + k), v1 = Vector256.Load(x1 + k), y = Vector256.Load(y0 + k);
            s00 += v0 * y;
            s10 += v1 * y;
            y = Vector256.Load(y1 + k);
            s01 += v0 * y;
            s11 += v1 * y;
            y = Vector256.Load(y2 + k);
            s02 += v0 * y;
            s12 += v1 * y;
            y = Vector256.Load(y3 + k);
            s03 += v0 * y;
            s13 += v1 * y;
        }

        s00.Store(sums);
        s01.Store(sums + 4);
        s02.Store(sums + 8);
        s03.Store(sums + 12);
        s10.Store(sums + 16);
        s11.Store(sums + 20);
        s12.Store(sums + 24);
        s13.Store(sums + 28);
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
