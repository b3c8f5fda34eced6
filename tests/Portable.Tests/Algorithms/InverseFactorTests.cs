using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Threading;
using Xunit;

namespace Portable.Tests.Algorithms;

/// <summary>The blocked factor against the definition of its sums in plain loops: to the bit, whatever the vectors, tiles and threads.</summary>
public class InverseFactorTests
{
    public static TheoryData<int> Sizes => [1, 2, 3, 15, 16, 17, 63, 64, 65, 95, 96, 97, 127, 128, 129, 191, 192, 193, 200, 300, 1000];

    [Theory]
    [MemberData(nameof(Sizes))]
    public void BitsAreThoseOfPlainLoopsForAnyNumberOfThreads(int n)
    {
        double[] matrix = Matrix(n), expected = PlainInverse(matrix, n);
        for (int threads = 1; threads <= 4; threads++)
        {
            using WorkerPool pool = new(threads);
            using WorkerPool.Scope scope = pool.Use();
            double[] actual = InverseFactor.Of([.. matrix], n).Rows;
            for (int i = 0; i < actual.Length; i++)
            {
                if (BitConverter.DoubleToInt64Bits(expected[i]) != BitConverter.DoubleToInt64Bits(actual[i]))
                {
                    Assert.Fail($"Row {i / n}, column {i % n}, {threads} threads: {expected[i]:R} is {actual[i]:R}.");
                }
            }
        }
    }

    [Theory]
    [InlineData(1, 0)]
    [InlineData(64, 63)]
    [InlineData(130, 0)]
    [InlineData(130, 65)]
    [InlineData(300, 128)]
    [InlineData(300, 299)]
    public void TheFirstPivotThatIsNotPositiveIsNamed(int n, int column)
    {
        double[] matrix = Matrix(n);
        matrix[column * n + column] = -3;
        double pivot = column == 0 ? -3 : PlainFactor(matrix, n)[column * n + column];
        ArithmeticException thrown = Assert.Throws<ArithmeticException>(() => InverseFactor.Of([.. matrix], n));
        Assert.Equal($"The matrix is not positive definite: pivot {pivot} in column {column} of {n}.", thrown.Message);

        matrix[column * n + column] = double.NaN;
        thrown = Assert.Throws<ArithmeticException>(() => InverseFactor.Of([.. matrix], n));
        Assert.Equal($"The matrix is not positive definite: pivot {double.NaN} in column {column} of {n}.", thrown.Message);
    }

    /// <summary>Values whose sums round at every step; what is above the diagonal must not matter.</summary>
    private static double[] Matrix(int n)
    {
        Random random = new(n);
        double[] matrix = new double[n * n];
        for (int i = 0; i < n; i++)
        {
            for (int j = 0; j < n; j++)
            {
                matrix[i * n + j] = j > i ? double.NaN : j < i ? random.NextDouble() - 0.5 : 0.2 * n + 1 + random.NextDouble();
            }
        }

        return matrix;
    }

    /// <summary>L, column by column; the pivot itself where it is not positive, and nothing after it.</summary>
    private static double[] PlainFactor(double[] matrix, int n)
    {
        double[] l = new double[n * n];
        for (int j = 0; j < n; j++)
        {
            for (int i = j; i < n; i++)
            {
                // Columns before the panel of 64, then those within it: two sums, each subtracted by itself.
                int panel = j / 64 * 64;
                double left = matrix[i * n + j];
                left -= PlainSum(l, i * n, j * n, panel);
                left -= PlainSum(l, i * n + panel, j * n + panel, j - panel);
                if (i == j && !(left > 0))
                {
                    l[j * n + j] = left;
                    return l;
                }

                l[i * n + j] = i == j ? Math.Sqrt(left) : left / l[j * n + j];
            }
        }

        return l;
    }

    /// <summary>Whole sixteens in 16 partial sums, whole fours of the rest in the first four, these pairwise, then what is left one by one.</summary>
    private static double PlainSum(double[] l, int a, int b, int count)
    {
        double[] partial = new double[16];
        int fours = count / 4 * 4, sixteens = count / 16 * 16;
        for (int k = 0; k < fours; k++)
        {
            partial[k < sixteens ? k % 16 : k % 4] += l[a + k] * l[b + k];
        }

        double[] lanes = new double[4];
        for (int lane = 0; lane < 4; lane++)
        {
            lanes[lane] = (partial[lane] + partial[4 + lane]) + (partial[8 + lane] + partial[12 + lane]);
        }

        double sum = (lanes[0] + lanes[1]) + (lanes[2] + lanes[3]);
        for (int k = fours; k < count; k++)
        {
            sum += l[a + k] * l[b + k];
        }

        return sum;
    }

    private static double[] PlainInverse(double[] matrix, int n)
    {
        double[] l = PlainFactor(matrix, n), inverse = new double[n * n];
        for (int c = 0; c < n; c++)
        {
            for (int i = c; i < n; i++)
            {
                double sum = 0;
                for (int k = c; k < i; k++)
                {
                    sum -= l[i * n + k] * inverse[k * n + c];
                }

                inverse[i * n + c] = (i == c ? sum + 1 : sum) / l[i * n + i];
            }
        }

        return inverse;
    }
}
