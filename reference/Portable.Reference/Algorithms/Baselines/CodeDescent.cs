using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;

namespace Portable.Reference.Algorithms.Baselines;

/// <summary>
/// Descent from quantized weights to better ones, row by row, on E = (w − ŵ)·H·(w − ŵ)ᵀ with the whole Hessian: by turns all scales
/// of the row by least squares for its codes, and every code in turn to the best one while the others stay.
/// </summary>
/// <remarks>
/// A step is taken only where it lowers E. Sums run in four fixed lanes of doubles, unfused, rows apart: the same bits on every
/// machine and any number of threads.
/// </remarks>
internal static unsafe class CodeDescent
{
    // So many rows share each row of H, which comes from far away.
    private const int RowTile = 8;

    /// <summary>Improves codes and scales in place.</summary>
    /// <param name="weights">w, N×K, row-major.</param>
    /// <param name="hessian">H, K×K, symmetric.</param>
    /// <param name="damping">Part of the mean diagonal added to the diagonal.</param>
    /// <param name="codes">Codes and grids; changed.</param>
    /// <param name="rounds">Turns of scales and codes.</param>
    /// <param name="scales">What scales are rounded to.</param>
    public static void Improve(float[] weights, double[] hessian, double damping, WeightCodes codes, int rounds, ScaleFormat scales = ScaleFormat.Single)
    {
        int columns = codes.Layout.Columns, groups = codes.Layout.Groups;
        double lambda = Gptq.Lambda(hessian, columns, damping);
        WorkerPool.Run((codes.Rows + RowTile - 1) / RowTile, tile =>
        {
            int first = tile * RowTile, count = Math.Min(RowTile, codes.Rows - first), size = (3 + groups) * columns;
            fixed (double* state = new double[count * size], h = hessian)
            {
                double* begin = state;
                Row[] rows = [.. Enumerable.Range(0, count).Select(r => new Row(weights, hessian, lambda, codes, scales, first + r, begin + r * size))];
                AddColumns(rows, h, columns, lambda, 0, columns, row => row.Residual, row => row.Gradient);
                for (int round = 0; round < rounds && rows.Length > 0; round++)
                {
                    for (int g = 0; g < groups; g++)
                    {
                        int group = g, start = codes.Layout.FirstColumn(g);
                        foreach (Row row in rows)
                        {
                            new Span<double>((double*)row.Image(group), columns).Clear();
                        }

                        AddColumns(rows, h, columns, lambda, start, start + codes.Layout.ColumnsIn(g), row => row.Levels, row => row.Image(group));
                    }

                    rows = [.. rows.Where(row => row.Rescale() | row.Recode())];
                }
            }
        });
    }

    /// <summary>Adds columns from … end − 1 of the damped H, each times a row's factor for it, to what the row has: in their order.</summary>
    private static void AddColumns(Row[] rows, double* h, int columns, double lambda, int from, int end, Func<Row, nint> factors, Func<Row, nint> targets)
    {
        Span<nint> a = stackalloc nint[rows.Length], left = stackalloc nint[rows.Length], right = stackalloc nint[rows.Length];
        for (int start = from; start < end; start += Gptq.Panel)
        {
            int behind = Math.Min(start + Gptq.Panel, end);
            for (int r = 0; r < rows.Length; r++)
            {
                double* target = (double*)targets(rows[r]), factor = (double*)factors(rows[r]);
                (a[r], left[r], right[r]) = ((nint)(factor + start), (nint)target, (nint)(target + behind));

                // λ comes between two columns.
                for (int k = start; k < behind; k++)
                {
                    if (factor[k] != 0)
                    {
                        Gptq.Subtract(new Span<double>(target + start, behind - start), -factor[k], new ReadOnlySpan<double>(h + (long)k * columns + start, behind - start));
                        target[k] += factor[k] * lambda;
                    }
                }
            }

            double* panel = h + (long)start * columns;
            OrderedProduct.Add(a, panel, columns, behind - start, left, start);
            OrderedProduct.Add(a, panel + behind, columns, behind - start, right, columns - behind);
        }
    }

    private sealed class Row
    {
        private readonly double[] _h;
        private readonly double* _residual, _gradient, _levels, _images;
        private readonly double _lambda;
        private readonly WeightCodes _codes;
        private readonly ScaleFormat _scaleFormat;
        private readonly int _row, _columns;

        // state: residual, gradient, levels and an image of every group, zeros.
        public Row(float[] weights, double[] hessian, double lambda, WeightCodes codes, ScaleFormat scaleFormat, int row, double* state)
        {
            (_h, _lambda, _codes, _scaleFormat, _row, _columns) = (hessian, lambda, codes, scaleFormat, row, codes.Layout.Columns);
            _residual = state;
            _gradient = state + _columns;
            _levels = _gradient + _columns;
            _images = _levels + _columns;
            for (int k = 0; k < _columns; k++)
            {
                WeightGrid grid = codes.Grid(row, k);
                short code = codes.Codes[row * _columns + k];
                _residual[k] = weights[row * _columns + k] - grid.Decode(code);
                _levels[k] = code - grid.ZeroPoint;
            }
        }

        /// <summary>w − ŵ.</summary>
        public nint Residual => (nint)_residual;

        /// <summary>H·(w − ŵ).</summary>
        public nint Gradient => (nint)_gradient;

        /// <summary>code − zero point.</summary>
        public nint Levels => (nint)_levels;

        /// <summary>What H makes of the levels of a group, for <see cref="Rescale"/>.</summary>
        public nint Image(int group) => (nint)(_images + (long)group * _columns);

        /// <summary>Every code to its best value in turn.</summary>
        public bool Recode()
        {
            bool changed = false;
            for (int k = 0; k < _columns; k++)
            {
                WeightGrid grid = _codes.Grid(_row, k);
                double curvature = _h[k * _columns + k] + _lambda;
                ref short code = ref _codes.Codes[_row * _columns + k];
                int best = (int)Math.Clamp(Math.Round(code + _gradient[k] / (curvature * grid.Scale)), grid.Minimum, grid.Maximum);
                if (best == code)
                {
                    continue;
                }

                double step = (double)grid.Scale * (best - code);
                if (!(step * (step * curvature - 2 * _gradient[k]) < 0))
                {
                    continue;
                }

                code = (short)best;
                _residual[k] -= step;
                _levels[k] = best - grid.ZeroPoint;
                AddColumn(k, -step);
                changed = true;
            }

            return changed;
        }

        /// <summary>All scales by least squares for the codes, whose images are there.</summary>
        public bool Rescale()
        {
            GroupLayout layout = _codes.Layout;
            int groups = layout.Groups;
            double[] normal = new double[groups * groups], right = new double[groups];
            for (int g = 0; g < groups; g++)
            {
                int first = layout.FirstColumn(g), end = first + layout.ColumnsIn(g);
                for (int k = first; k < end; k++)
                {
                    right[g] += _levels[k] * _gradient[k];
                }

                int j = 0;
                for (; j <= groups - 4; j += 4)
                {
                    double* i0 = _images + (long)j * _columns, i1 = i0 + _columns, i2 = i1 + _columns, i3 = i2 + _columns;
                    double n0 = 0, n1 = 0, n2 = 0, n3 = 0;
                    for (int k = first; k < end; k++)
                    {
                        double level = _levels[k];
                        n0 += level * i0[k];
                        n1 += level * i1[k];
                        n2 += level * i2[k];
                        n3 += level * i3[k];
                    }

                    (normal[g * groups + j], normal[g * groups + j + 1], normal[g * groups + j + 2], normal[g * groups + j + 3]) = (n0, n1, n2, n3);
                }

                for (; j < groups; j++)
                {
                    double* image = _images + (long)j * _columns;
                    for (int k = first; k < end; k++)
                    {
                        normal[g * groups + j] += _levels[k] * image[k];
                    }
                }
            }

            if (!Solve(normal, right, groups))
            {
                return false;
            }

            ReadOnlySpan<double> before = new(_residual, _columns), slope = new(_gradient, _columns);
            double[] residual = before.ToArray(), gradient = slope.ToArray();
            float[] scales = new float[groups];
            for (int g = 0; g < groups; g++)
            {
                double scale = _codes.Grids[_row * groups + g].Scale;
                scales[g] = WeightScales.Nearest(scale + right[g], _scaleFormat);
                double change = scales[g] - scale;
                int first = layout.FirstColumn(g);
                for (int k = first; k < first + layout.ColumnsIn(g); k++)
                {
                    residual[k] -= change * _levels[k];
                }

                Gptq.Subtract(gradient, change, new ReadOnlySpan<double>(_images + (long)g * _columns, _columns));
            }

            if (!(Error(residual, gradient) < Error(before, slope)))
            {
                return false;
            }

            residual.CopyTo(new Span<double>(_residual, _columns));
            gradient.CopyTo(new Span<double>(_gradient, _columns));
            for (int g = 0; g < groups; g++)
            {
                _codes.Grids[_row * groups + g] = _codes.Grids[_row * groups + g] with { Scale = scales[g] };
            }

            return true;
        }

        private static double Error(ReadOnlySpan<double> residual, ReadOnlySpan<double> gradient)
        {
            double sum = 0;
            for (int k = 0; k < residual.Length; k++)
            {
                sum += residual[k] * gradient[k];
            }

            return sum;
        }

        /// <summary>gradient += factor · column k of the damped H.</summary>
        private void AddColumn(int k, double factor)
        {
            Gptq.Subtract(new Span<double>(_gradient, _columns), -factor, _h.AsSpan(k * _columns, _columns));
            _gradient[k] += factor * _lambda;
        }

        /// <summary>Solves a symmetric positive definite system in place; groups without a level keep their scale.</summary>
        private static bool Solve(double[] a, double[] b, int n)
        {
            for (int j = 0; j < n; j++)
            {
                if (a[j * n + j] == 0)
                {
                    a[j * n + j] = 1;
                }

                for (int k = 0; k < j; k++)
                {
                    a[j * n + j] -= a[j * n + k] * a[j * n + k];
                }

                if (!(a[j * n + j] > 0))
                {
                    return false;
                }

                a[j * n + j] = Math.Sqrt(a[j * n + j]);
                for (int i = j + 1; i < n; i++)
                {
                    for (int k = 0; k < j; k++)
                    {
                        a[i * n + j] -= a[i * n + k] * a[j * n + k];
                    }

                    a[i * n + j] /= a[j * n + j];
                }
            }

            for (int i = 0; i < n; i++)
            {
                for (int k = 0; k < i; k++)
                {
                    b[i] -= a[i * n + k] * b[k];
                }

                b[i] /= a[i * n + i];
            }

            for (int i = n - 1; i >= 0; i--)
            {
                for (int k = i + 1; k < n; k++)
                {
                    b[i] -= a[k * n + i] * b[k];
                }

                b[i] /= a[i * n + i];
            }

            return true;
        }
    }
}
