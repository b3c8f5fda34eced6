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
internal static class CodeDescent
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
        int columns = codes.Layout.Columns;
        double lambda = Gptq.Lambda(hessian, columns, damping);
        WorkerPool.Run((codes.Rows + RowTile - 1) / RowTile, tile =>
        {
            int first = tile * RowTile;
            Row[] rows = [.. Enumerable.Range(first, Math.Min(RowTile, codes.Rows - first)).Select(n => new Row(weights, hessian, lambda, codes, scales, n))];
            for (int k = 0; k < columns; k++)
            {
                foreach (Row row in rows)
                {
                    row.AddGradient(k);
                }
            }

            for (int round = 0; round < rounds && rows.Length > 0; round++)
            {
                for (int k = 0; k < columns; k++)
                {
                    foreach (Row row in rows)
                    {
                        row.AddImage(k);
                    }
                }

                rows = [.. rows.Where(row => row.Rescale() | row.Recode())];
            }
        });
    }

    private sealed class Row
    {
        private readonly double[] _h, _residual, _gradient;
        private readonly double[][] _images;
        private readonly double _lambda;
        private readonly WeightCodes _codes;
        private readonly ScaleFormat _scaleFormat;
        private readonly int _row, _columns;

        public Row(float[] weights, double[] hessian, double lambda, WeightCodes codes, ScaleFormat scaleFormat, int row)
        {
            (_h, _lambda, _codes, _scaleFormat, _row, _columns) = (hessian, lambda, codes, scaleFormat, row, codes.Layout.Columns);
            _residual = new double[_columns];
            _gradient = new double[_columns];
            _images = [.. Enumerable.Range(0, codes.Layout.Groups).Select(_ => new double[_columns])];
            for (int k = 0; k < _columns; k++)
            {
                _residual[k] = weights[row * _columns + k] - codes.Grid(row, k).Decode(codes.Codes[row * _columns + k]);
            }
        }

        /// <summary>Adds a column's residual to H·(w − ŵ).</summary>
        public void AddGradient(int k) => AddColumn(_gradient, k, _residual[k]);

        /// <summary>Adds a column's level to what H makes of the levels of its group, for <see cref="Rescale"/>.</summary>
        public void AddImage(int k)
        {
            double[] image = _images[k / _codes.Layout.GroupSize];
            if (k % _codes.Layout.GroupSize == 0)
            {
                Array.Clear(image);
            }

            AddColumn(image, k, Level(k));
        }

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
                AddColumn(_gradient, k, -step);
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
                for (int i = 0; i < layout.ColumnsIn(g); i++)
                {
                    int k = layout.FirstColumn(g) + i;
                    right[g] += Level(k) * _gradient[k];
                    for (int j = 0; j < groups; j++)
                    {
                        normal[g * groups + j] += Level(k) * _images[j][k];
                    }
                }
            }

            if (!Solve(normal, right, groups))
            {
                return false;
            }

            double[] change = new double[groups], residual = [.. _residual], gradient = [.. _gradient];
            float[] scales = new float[groups];
            for (int g = 0; g < groups; g++)
            {
                double before = _codes.Grids[_row * groups + g].Scale;
                scales[g] = WeightScales.Nearest(before + right[g], _scaleFormat);
                change[g] = scales[g] - before;
                for (int i = 0; i < layout.ColumnsIn(g); i++)
                {
                    int k = layout.FirstColumn(g) + i;
                    residual[k] -= change[g] * Level(k);
                }

                for (int k = 0; k < _columns; k++)
                {
                    gradient[k] -= change[g] * _images[g][k];
                }
            }

            if (!(Error(residual, gradient) < Error(_residual, _gradient)))
            {
                return false;
            }

            residual.CopyTo(_residual, 0);
            gradient.CopyTo(_gradient, 0);
            for (int g = 0; g < groups; g++)
            {
                _codes.Grids[_row * groups + g] = _codes.Grids[_row * groups + g] with { Scale = scales[g] };
            }

            return true;
        }

        private int Level(int k) => _codes.Codes[_row * _columns + k] - _codes.Grid(_row, k).ZeroPoint;

        private static double Error(double[] residual, double[] gradient)
        {
            double sum = 0;
            for (int k = 0; k < residual.Length; k++)
            {
                sum += residual[k] * gradient[k];
            }

            return sum;
        }

        /// <summary>target += factor · column k of the damped H.</summary>
        private void AddColumn(double[] target, int k, double factor)
        {
            if (factor == 0)
            {
                return;
            }

            Gptq.Subtract(target, -factor, _h.AsSpan(k * _columns, _columns));
            target[k] += factor * _lambda;
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
