using System.Runtime.InteropServices;
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
    // Rows that share what is read of H, as many as this many bytes hold the images of; columns of H that a thread reads at a time.
    private const int FewestRows = 8, MostRows = 64, Strip = 256;

    private const long Room = 1L << 28;

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
        long size = (3L + groups) * columns;
        int most = Math.Min(codes.Rows, (int)Math.Clamp(Room / (sizeof(double) * size), FewestRows, MostRows) / 4 * 4);
        double* state = (double*)NativeMemory.AlignedAlloc((nuint)(most * size * sizeof(double)), 64);
        try
        {
            fixed (double* h = hessian)
            {
                double* pinned = h;
                for (int row = 0; row < codes.Rows; row += most)
                {
                    int first = row;
                    Row[] rows = new Row[Math.Min(most, codes.Rows - first)];
                    WorkerPool.Run(rows.Length, r => rows[r] = new Row(weights, hessian, lambda, codes, scales, first + r, state + (r * size)));
                    Improve(rows, pinned, codes.Layout, lambda, rounds);
                }
            }
        }
        finally
        {
            NativeMemory.AlignedFree(state);
        }
    }

    /// <summary>Columns of H are strips side by side, each for all rows; then rows are, each by itself.</summary>
    private static void Improve(Row[] rows, double* h, GroupLayout layout, double lambda, int rounds)
    {
        int columns = layout.Columns, strip = Math.Clamp(columns / (4 * WorkerPool.Threads) / Gptq.Panel * Gptq.Panel, Gptq.Panel, Strip), strips = (columns + strip - 1) / strip;
        WorkerPool.Run(strips, s => AddColumns(rows, h, columns, lambda, 0, columns, s * strip, strip, row => row.Residual, row => row.Gradient));
        for (int round = 0; round < rounds && rows.Length > 0; round++)
        {
            Row[] all = rows;
            WorkerPool.Run(strips, s =>
            {
                int left = s * strip;
                for (int g = 0; g < layout.Groups; g++)
                {
                    int group = g, start = layout.FirstColumn(g);
                    foreach (Row row in all)
                    {
                        new Span<double>((double*)row.Image(group) + left, Math.Min(strip, columns - left)).Clear();
                    }

                    AddColumns(all, h, columns, lambda, start, start + layout.ColumnsIn(g), left, strip, row => row.Levels, row => row.Image(group));
                }
            });

            bool[] better = new bool[all.Length];
            WorkerPool.Run(all.Length, r => better[r] = all[r].Rescale() | all[r].Recode());
            rows = [.. all.Where((_, r) => better[r])];
        }
    }

    /// <summary>
    /// Adds columns from … end − 1 of the damped H, each times a row's factor for it, to what the row has, in their order: to a strip of it.
    /// </summary>
    private static void AddColumns(Row[] rows, double* h, int columns, double lambda, int from, int end, int left, int strip, Func<Row, nint> factors, Func<Row, nint> targets)
    {
        int right = Math.Min(left + strip, columns);
        Span<nint> a = stackalloc nint[rows.Length], before = stackalloc nint[rows.Length], after = stackalloc nint[rows.Length];
        for (int start = from; start < end; start += Gptq.Panel)
        {
            int behind = Math.Min(start + Gptq.Panel, end), own = Math.Max(left, start), width = Math.Min(right, behind) - own, next = Math.Max(left, behind);
            for (int r = 0; r < rows.Length; r++)
            {
                double* target = (double*)targets(rows[r]), factor = (double*)factors(rows[r]);
                (a[r], before[r], after[r]) = ((nint)(factor + start), (nint)(target + left), (nint)(target + next));

                // λ comes between two columns.
                for (int k = start; k < behind && width > 0; k++)
                {
                    if (factor[k] != 0)
                    {
                        Gptq.Subtract(new Span<double>(target + own, width), -factor[k], new ReadOnlySpan<double>(h + (long)k * columns + own, width));
                        if (k >= own && k < own + width)
                        {
                            target[k] += factor[k] * lambda;
                        }
                    }
                }
            }

            double* panel = h + (long)start * columns;
            OrderedProduct.Add(a, panel + left, columns, behind - start, before, Math.Min(right, start) - left);
            OrderedProduct.Add(a, panel + next, columns, behind - start, after, right - next);
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

        // state: residual, gradient, levels and an image of every group.
        public Row(float[] weights, double[] hessian, double lambda, WeightCodes codes, ScaleFormat scaleFormat, int row, double* state)
        {
            (_h, _lambda, _codes, _scaleFormat, _row, _columns) = (hessian, lambda, codes, scaleFormat, row, codes.Layout.Columns);
            _residual = state;
            _gradient = state + _columns;
            _levels = _gradient + _columns;
            _images = _levels + _columns;
            new Span<double>(_gradient, _columns).Clear();
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
