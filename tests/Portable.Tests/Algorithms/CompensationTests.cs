using FsCheck.Xunit;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Xunit;

namespace Portable.Tests.Algorithms;

/// <summary>Searched grids inside GPTQ's column loop, and the descent behind it.</summary>
public class CompensationTests
{
    private const double Damping = 0.01;

    [Property(MaxTest = 25)]
    public void OneGroupAfterTheOtherIsThePlainRecursion(int seed, byte size, byte group)
    {
        int columns = 2 + size % 30, rows = 3;
        (float[] w, double[] h) = Case(seed, rows, columns);
        WeightCodes codes = Start(w, rows, new GroupLayout(columns, 1 + group % 12));
        GridFinder search = (v, k) => GridSearch.Asymmetric(v, k, 7);
        int[] order = GroupedGptq.Order(Diagonal(h, columns), codes.Layout);
        GroupedGptq.Quantize(w, Gptq.Factor(h, columns, order, Damping), order, codes, search);
        for (int n = 0; n < rows; n++)
        {
            PlainRecursion(w[(n * columns)..((n + 1) * columns)], Damped(h, columns), order, codes, n);
        }
    }

    [Property(MaxTest = 50)]
    public void TheOrderTakesGroupAfterGroup(int seed, byte size, byte group)
    {
        int columns = 1 + size % 100;
        GroupLayout layout = new(columns, 1 + group % 40);
        double[] h = Case(seed, 1, columns).Hessian;
        int[] order = [.. GroupedGptq.Order(Diagonal(h, columns), layout).Reverse()];
        Assert.Equal(Enumerable.Range(0, columns), order.Order());
        int[] groups = [.. order.Select(k => k / layout.GroupSize)];
        Assert.Equal(layout.Groups - 1, groups.Zip(groups.Skip(1)).Count(p => p.First != p.Second));
        double[] energies = [.. groups.Distinct().Select(g => Enumerable.Range(layout.FirstColumn(g), layout.ColumnsIn(g)).Average(k => h[k * columns + k]))];
        Assert.All(energies.Zip(energies.Skip(1)), p => Assert.True(p.First >= p.Second * (1 - 1e-12)));
    }

    [Property(MaxTest = 25)]
    public void DescentNeverRaisesTheErrorAndEndsWhereNoCodeHelps(int seed, byte size, byte group, bool symmetric)
    {
        int columns = 2 + size % 30, rows = 3;
        (float[] w, double[] h) = Case(seed, rows, columns);
        GroupLayout layout = new(columns, 1 + group % 12);
        WeightCodes codes = symmetric
            ? new WeightCodes(rows, layout, new CodeFormat(3, signed: true), WeightCodes.FindGrids(w, rows, layout, WeightGranularity.Group, v => WeightGrid.Symmetric(v, 3)))
            : Start(w, rows, layout);
        codes.Round(w);
        double[] damped = Damped(h, columns);
        double before = Error(w, codes, damped);
        CodeDescent.Improve(w, h, Damping, codes, 1);
        double once = Error(w, codes, damped);
        Assert.True(once <= before * (1 + 1e-12));
        CodeDescent.Improve(w, h, Damping, codes, 200);
        double end = Error(w, codes, damped);
        Assert.True(end <= once * (1 + 1e-12));
        for (int i = 0; i < w.Length; i++)
        {
            WeightGrid grid = codes.Grid(i / columns, i % columns);
            short kept = codes.Codes[i];
            foreach (int other in new[] { kept - 1, kept + 1 }.Where(c => c >= grid.Minimum && c <= grid.Maximum))
            {
                codes.Codes[i] = (short)other;
                Assert.True(Error(w, codes, damped) >= end * (1 - 1e-9));
            }

            codes.Codes[i] = kept;
        }
    }

    [Fact]
    public void ScalesOfLeastSquaresAreFoundAgain()
    {
        // Weights that lie on grids which only the scales of are known wrongly.
        const int Columns = 12, Rows = 2;
        double[] h = Case(7, 1, Columns).Hessian;
        GroupLayout layout = new(Columns, 4);
        WeightGrid[] grids = [.. Enumerable.Range(0, Rows * 3).Select(g => new WeightGrid(0.5f + 0.125f * g, 3, 0, 7))];
        WeightCodes exact = new(Rows, layout, new CodeFormat(3, signed: false), grids), codes = new(Rows, layout, exact.Format, [.. grids.Select(g => g with { Scale = g.Scale * 1.03f })]);
        Random random = new(1);
        for (int i = 0; i < exact.Codes.Length; i++)
        {
            exact.Codes[i] = codes.Codes[i] = (short)random.Next(8);
        }

        CodeDescent.Improve(exact.Decode(), h, Damping, codes, 5);
        Assert.Equal(exact.Codes, codes.Codes);
        Assert.All(exact.Grids.Zip(codes.Grids), p => Assert.Equal(p.First.Scale, p.Second.Scale, 1e-5f));
    }

    /// <summary>One row: in the order, each code the nearest for the weight as compensated, the error spread by the inverse of what is left of H; the grid of a group as the search gives it on the weights at its first column.</summary>
    private static double[] Diagonal(double[] h, int n) => [.. Enumerable.Range(0, n).Select(k => h[k * n + k])];

    private static void PlainRecursion(float[] weights, double[] h, int[] order, WeightCodes codes, int row)
    {
        int n = weights.Length, group = -1;
        double[] w = [.. weights.Select(v => (double)v)];
        List<int> left = [.. order.Reverse()];
        while (left.Count > 0)
        {
            int k = left[0], g = k / codes.Layout.GroupSize;
            double[,] inverse = Inverse(h, n, left);
            if (g != group)
            {
                group = g;
                int[] members = [.. left.TakeWhile(j => j / codes.Layout.GroupSize == g)];

                // 1/U² of every member: the curvature in its column once all columns before it are fixed.
                double[] importance = [.. members.Select((_, i) => 1 / Inverse(h, n, left[i..])[0, 0])];
                double own = Weighted(codes.Grid(row, k)), whole = Weighted(WeightGrid.Asymmetric([.. members.Select(j => (float)w[j])], 7));
                Assert.True(own <= whole * (1 + 1e-6) + 1e-12);
                double Weighted(WeightGrid grid) => members.Select((j, i) => importance[i] * Math.Pow(w[j] - grid.Decode(grid.Encode(w[j])), 2)).Sum();
            }

            WeightGrid found = codes.Grid(row, k);
            int code = codes.Codes[row * n + k];
            double quotient = w[k] / found.Scale + found.ZeroPoint;
            Assert.InRange(code, found.Minimum, found.Maximum);
            Assert.True(Math.Abs(code - Math.Clamp(quotient, found.Minimum, found.Maximum)) <= 0.5 + 1e-6);
            double error = (w[k] - found.Decode(code)) / inverse[0, 0];
            for (int j = 0; j < left.Count; j++)
            {
                w[left[j]] -= error * inverse[0, j];
            }

            left.RemoveAt(0);
        }
    }

    private static double[,] Inverse(double[] h, int n, List<int> members)
    {
        int m = members.Count;
        double[,] a = new double[m, 2 * m];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < m; j++)
            {
                a[i, j] = h[members[i] * n + members[j]];
            }

            a[i, m + i] = 1;
        }

        for (int p = 0; p < m; p++)
        {
            double pivot = a[p, p];
            for (int j = 0; j < 2 * m; j++)
            {
                a[p, j] /= pivot;
            }

            for (int i = 0; i < m; i++)
            {
                double factor = i == p ? 0 : a[i, p];
                for (int j = 0; j < 2 * m; j++)
                {
                    a[i, j] -= factor * a[p, j];
                }
            }
        }

        double[,] inverse = new double[m, m];
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < m; j++)
            {
                inverse[i, j] = a[i, m + j];
            }
        }

        return inverse;
    }

    private static WeightCodes Start(float[] w, int rows, GroupLayout layout) =>
        new(rows, layout, new CodeFormat(3, signed: false), WeightCodes.FindGrids(w, rows, layout, WeightGranularity.Group, v => WeightGrid.Asymmetric(v, 7)));

    private static double[] Damped(double[] h, int n)
    {
        double mean = Enumerable.Range(0, n).Average(k => h[k * n + k]);
        double[] damped = [.. h];
        for (int k = 0; k < n; k++)
        {
            damped[k * n + k] += Damping * mean;
        }

        return damped;
    }

    private static double Error(float[] w, WeightCodes codes, double[] h)
    {
        int n = codes.Layout.Columns;
        double sum = 0;
        for (int r = 0; r < codes.Rows; r++)
        {
            double[] d = [.. Enumerable.Range(0, n).Select(k => w[r * n + k] - codes.Grid(r, k).Decode(codes.Codes[r * n + k]))];
            for (int i = 0; i < n * n; i++)
            {
                sum += d[i / n] * h[i] * d[i % n];
            }
        }

        return sum;
    }

    private static (float[] Weights, double[] Hessian) Case(int seed, int rows, int columns)
    {
        Random random = new(seed);
        float[] w = [.. Enumerable.Range(0, rows * columns).Select(_ => (float)(random.NextDouble() + random.NextDouble() - 0.9))];
        int tokens = 3 * columns + 5, sources = 1 + columns / 3;
        double[] mixing = [.. Enumerable.Range(0, sources * columns).Select(_ => random.NextDouble() * 2 - 1)], h = new double[columns * columns];
        for (int t = 0; t < tokens; t++)
        {
            double[] source = [.. Enumerable.Range(0, sources).Select(_ => random.NextDouble() * 2 - 1)];
            double[] x = [.. Enumerable.Range(0, columns).Select(k => (0.3 * (random.NextDouble() * 2 - 1) + Enumerable.Range(0, sources).Sum(s => source[s] * mixing[s * columns + k])) * (1 + k % 3))];
            for (int i = 0; i < h.Length; i++)
            {
                h[i] += x[i / columns] * x[i % columns];
            }
        }

        return (w, h);
    }
}
