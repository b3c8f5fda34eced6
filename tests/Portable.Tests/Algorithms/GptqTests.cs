using FsCheck.Xunit;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Xunit;

namespace Portable.Tests.Algorithms;

public class GptqTests
{
    [Property(MaxTest = 30)]
    public void TheFactorInvertsTheMatrix(int seed, byte size)
    {
        int n = 1 + size % 150;
        double[] h = Hessian(Inputs(seed, 2 * n, n), n);
        for (int i = 0; i < n; i++)
        {
            h[i * n + i] += 0.1 * n;
        }

        InverseFactor factor = InverseFactor.Of([.. h], n);
        for (int i = 0; i < n; i++)
        {
            // Row i of L⁻¹·H·L⁻ᵀ is the i-th unit vector.
            double[] product = new double[n];
            for (int k = 0; k <= i; k++)
            {
                for (int j = 0; j < n; j++)
                {
                    product[j] += factor.Rows[i * n + k] * h[k * n + j];
                }
            }

            for (int j = 0; j < n; j++)
            {
                double sum = 0;
                for (int k = 0; k <= j; k++)
                {
                    sum += product[k] * factor.Rows[j * n + k];
                }

                Assert.Equal(i == j ? 1 : 0, sum, 1e-8);
            }
        }
    }

    [Fact]
    public void AMatrixThatIsNotPositiveDefiniteIsRefused() =>
        Assert.Throws<ArithmeticException>(() => InverseFactor.Of([1, 0, 2, 1], 2));

    [Property(MaxTest = 20)]
    public void CodesAreThoseOfThePlainRecursionOnTheInverse(int seed, byte size, bool activationOrder)
    {
        int columns = 2 + size % 24, rows = 5;
        double[] h = Hessian(Inputs(seed, 4 * columns, columns), columns);
        float[] w = Weights(seed, rows * columns);
        WeightGrid[] grids = RoundToNearest.Grids(w, rows, columns, QuantizationScheme.Parse("W3A8"));
        short[] codes = new short[w.Length];
        Gptq.Quantize(w, rows, columns, h, (n, _) => grids[n], codes, new GptqOptions(activationOrder));
        Assert.Equal(PlainRecursion(w, rows, columns, h, grids, activationOrder), codes);
    }

    [Property(MaxTest = 20)]
    public void OutputErrorIsBelowRoundToNearestOnCorrelatedInputs(int seed, byte bits)
    {
        const int Columns = 48, Rows = 16, Tokens = 200;
        float[] x = Inputs(seed, Tokens, Columns), w = Weights(seed, Rows * Columns);
        QuantizationScheme scheme = new(2 + bits % 3, 8, 16);
        WeightCodes nearest = new(Rows, new GroupLayout(Columns, 16), scheme.WeightFormat, RoundToNearest.Grids(w, Rows, Columns, scheme));
        WeightCodes compensated = new(Rows, nearest.Layout, nearest.Format, nearest.Grids);
        nearest.Round(w);
        Gptq.Quantize(w, Rows, Columns, Hessian(x, Columns), compensated.Grid, compensated.Codes);
        Assert.True(OutputError(x, Tokens, w, compensated.Decode(), Columns) < 0.9 * OutputError(x, Tokens, w, nearest.Decode(), Columns));
    }

    [Property(MaxTest = 20)]
    public void CorrectedTargetsAreCloserToTheExactOutputsOnQuantizedInputs(int seed, bool activationOrder)
    {
        const int Columns = 24, Rows = 4, Tokens = 150;
        float[] x = Inputs(seed, Tokens, Columns), w = Weights(seed, Rows * Columns), seen = [.. x.Select(v => MathF.Round(v * 1.5f) / 1.5f)];
        double[] h = Hessian(seen, Columns), cross = new double[Columns * Columns];
        for (int t = 0; t < Tokens; t++)
        {
            for (int i = 0; i < Columns * Columns; i++)
            {
                cross[i] += (double)x[t * Columns + i / Columns] * seen[t * Columns + i % Columns];
            }
        }

        int[] order = Gptq.Order(h, Columns, activationOrder);
        float[] corrected = TargetCorrection.Correct(w, Rows, Columns, cross, h, Gptq.Factor(h, Columns, order, 1e-4), order, 1e-4);
        double Error(float[] weights)
        {
            double sum = 0;
            for (int i = 0; i < Tokens * Rows; i++)
            {
                int t = i / Rows, n = i % Rows;
                double e = Enumerable.Range(0, Columns).Sum(k => (double)w[n * Columns + k] * x[t * Columns + k] - (double)weights[n * Columns + k] * seen[t * Columns + k]);
                sum += e * e;
            }

            return sum;
        }

        Assert.True(Error(corrected) < Error(w));

        // With inputs that are not quantized there is nothing to correct.
        double[] own = Hessian(x, Columns);
        float[] same = TargetCorrection.Correct(w, Rows, Columns, own, own, Gptq.Factor(own, Columns, order, 0.01), order, 0.01);
        Assert.All(w.Zip(same), p => Assert.Equal(p.First, p.Second, 1e-4f));
    }

    [Fact]
    public void ColumnsThatWereNeverUsedAreRoundedToNearest()
    {
        const int Columns = 8;
        float[] x = Inputs(3, 50, Columns), w = Weights(4, 2 * Columns);
        for (int t = 0; t < 50; t++)
        {
            x[t * Columns + 5] = 0;
        }

        WeightGrid grid = WeightGrid.Symmetric(w, 4);
        short[] codes = new short[w.Length];
        Gptq.Quantize(w, 2, Columns, Hessian(x, Columns), (_, _) => grid, codes);
        Assert.Equal(grid.Encode(w[5]), codes[5]);
        Assert.Equal(grid.Encode(w[Columns + 5]), codes[Columns + 5]);
    }

    /// <summary>Optimal brain surgeon, one column at a time, with the whole inverse updated (the definition that GPTQ speeds up).</summary>
    private static short[] PlainRecursion(float[] weights, int rows, int n, double[] hessian, WeightGrid[] grids, bool activationOrder)
    {
        double mean = Enumerable.Range(0, n).Average(k => hessian[k * n + k]);
        double[] h = [.. hessian];
        for (int k = 0; k < n; k++)
        {
            h[k * n + k] += 0.01 * mean;
        }

        double[] inverse = GaussJordan(h, n);
        double[] w = [.. weights.Select(v => (double)v)];
        short[] codes = new short[w.Length];
        IEnumerable<int> order = activationOrder ? Enumerable.Range(0, n).OrderByDescending(k => hessian[k * n + k]) : Enumerable.Range(0, n);
        foreach (int i in order)
        {
            for (int r = 0; r < rows; r++)
            {
                int code = grids[r].Encode(w[r * n + i]);
                codes[r * n + i] = (short)code;
                double error = (w[r * n + i] - grids[r].Decode(code)) / inverse[i * n + i];
                for (int j = 0; j < n; j++)
                {
                    w[r * n + j] -= error * inverse[i * n + j];
                }
            }

            double[] row = inverse[(i * n)..((i + 1) * n)];
            for (int a = 0; a < n; a++)
            {
                for (int b = 0; b < n; b++)
                {
                    inverse[a * n + b] -= row[a] * row[b] / row[i];
                }
            }
        }

        return codes;
    }

    private static double[] GaussJordan(double[] matrix, int n)
    {
        double[] a = [.. matrix], b = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            b[i * n + i] = 1;
        }

        for (int p = 0; p < n; p++)
        {
            double pivot = a[p * n + p];
            for (int j = 0; j < n; j++)
            {
                a[p * n + j] /= pivot;
                b[p * n + j] /= pivot;
            }

            for (int i = 0; i < n; i++)
            {
                double factor = i == p ? 0 : a[i * n + p];
                for (int j = 0; j < n; j++)
                {
                    a[i * n + j] -= factor * a[p * n + j];
                    b[i * n + j] -= factor * b[p * n + j];
                }
            }
        }

        return b;
    }

    private static double OutputError(float[] x, int tokens, float[] w, float[] quantized, int columns)
    {
        double sum = 0;
        for (int t = 0; t < tokens; t++)
        {
            for (int n = 0; n < w.Length / columns; n++)
            {
                double difference = 0;
                for (int k = 0; k < columns; k++)
                {
                    difference += (double)x[t * columns + k] * (w[n * columns + k] - quantized[n * columns + k]);
                }

                sum += difference * difference;
            }
        }

        return sum;
    }

    /// <summary>Inputs that share a few directions, with uneven channel sizes.</summary>
    private static float[] Inputs(int seed, int tokens, int columns)
    {
        Random random = new(seed);
        int directions = Math.Max(1, columns / 4);
        double[] mixing = [.. Enumerable.Range(0, directions * columns).Select(_ => random.NextDouble() * 2 - 1)];
        float[] x = new float[tokens * columns];
        for (int t = 0; t < tokens; t++)
        {
            double[] source = [.. Enumerable.Range(0, directions).Select(_ => random.NextDouble() * 2 - 1)];
            for (int k = 0; k < columns; k++)
            {
                double v = 0.2 * (random.NextDouble() * 2 - 1);
                for (int d = 0; d < directions; d++)
                {
                    v += source[d] * mixing[d * columns + k];
                }

                x[t * columns + k] = (float)(v * (1 + k % 3));
            }
        }

        return x;
    }

    private static double[] Hessian(float[] x, int columns)
    {
        double[] h = new double[columns * columns];
        for (int t = 0; t < x.Length / columns; t++)
        {
            for (int i = 0; i < columns; i++)
            {
                for (int j = 0; j < columns; j++)
                {
                    h[i * columns + j] += (double)x[t * columns + i] * x[t * columns + j];
                }
            }
        }

        return h;
    }

    private static float[] Weights(int seed, int count)
    {
        Random random = new(seed ^ 0x5555);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.5))];
    }
}
