using FsCheck.Xunit;
using Portable.Reference.Quantization;
using Xunit;

namespace Portable.Tests.Quantization;

public class GridSearchTests
{
    [Property(MaxTest = 200)]
    public void ASearchedGridIsNeverWorseThanTheWholeRange(int seed, byte size, byte bits, bool balanced, bool flat, bool outlier, bool half)
    {
        (double[] w, double[] h) = Group(seed, 1 + size, flat, outlier);
        int width = 1 + bits % 8, largest = balanced ? 4 : (1 << width) - 1;
        ScaleFormat scales = half ? ScaleFormat.Half : ScaleFormat.Single;
        WeightGrid whole = WeightGrid.Asymmetric([.. w.Select(v => (float)v)], largest, scales), searched = GridSearch.Asymmetric(w, h, largest, scales);
        Assert.Equal(WeightScales.Nearest(searched.Scale, scales), searched.Scale);
        Assert.InRange(searched.ZeroPoint, 0, largest);
        Assert.True(PlainError(searched, w, h) <= PlainError(whole, w, h) * (1 + 1e-12));
        if (width > 1)
        {
            whole = WeightGrid.Symmetric([.. w.Select(v => (float)v)], width, scales);
            searched = GridSearch.Symmetric(w, h, width, scales);
            Assert.Equal(0, searched.ZeroPoint);
            Assert.True(PlainError(searched, w, h) <= PlainError(whole, w, h) * (1 + 1e-12));
        }
    }

    /// <summary>Every assignment of codes with its scale of least squares, for every zero point: nothing is better, and the search is seldom far from it.</summary>
    [Theory]
    [InlineData(5, 3)]
    [InlineData(4, 4)]
    [InlineData(3, 7)]
    public void ExhaustiveSearchOfSmallGroupsIsHardlyBetter(int size, int largest)
    {
        double excess = 0;
        const int Cases = 40;
        for (int seed = 0; seed < Cases; seed++)
        {
            (double[] w, double[] h) = Group(seed, size, flat: false, outlier: seed % 4 == 0);
            double searched = PlainError(GridSearch.Asymmetric(w, h, largest), w, h), best = double.MaxValue, norm = w.Zip(h, (v, k) => k * v * v).Sum();
            for (int zero = 0; zero <= largest; zero++)
            {
                best = Math.Min(best, Exhaustive(w, h, largest, zero));
            }

            Assert.True(searched >= best - 1e-9 * norm);
            excess += (searched - best) / norm / Cases;
        }

        Assert.InRange(excess, 0, 0.01);
    }

    [Property(MaxTest = 50)]
    public void TheErrorIsThatOfTheCodesOfTheGrid(int seed, byte size, byte bits)
    {
        (double[] w, double[] h) = Group(seed, 1 + size, false, false);
        WeightGrid grid = WeightGrid.Asymmetric([.. w.Select(v => (float)v)], (1 << (1 + bits % 8)) - 1);
        double plain = PlainError(grid, w, h);
        Assert.Equal(plain, GridSearch.Error(grid, w, h), 1e-12 * plain);
    }

    [Fact]
    public void WeightsThatAreAllZeroHaveTheSmallestScale()
    {
        double[] w = new double[7], h = [1, 1, 1, 1, 1, 1, 1];
        Assert.Equal(WeightGrid.Asymmetric(0, 0, 15), GridSearch.Asymmetric(w, h, 15));
        Assert.Equal(WeightGrid.Symmetric([0], 4), GridSearch.Symmetric(w, h, 4));
    }

    [Fact]
    public void WeightsOfNoImportanceDoNotCount()
    {
        // The outlier's input is never anything but zero.
        double[] w = [0.1, -0.1, 0.2, 0.3, -0.2, 50], h = [1, 1, 1, 1, 1, 0];
        WeightGrid grid = GridSearch.Symmetric(w, h, 4);
        Assert.InRange(grid.Scale, 0.02f, 7.2f);
        Assert.True(PlainError(grid, w, h) < PlainError(WeightGrid.Symmetric([.. w.Select(v => (float)v)], 4), w, h));
    }

    private static double PlainError(WeightGrid grid, double[] w, double[] h)
    {
        double sum = 0;
        for (int k = 0; k < w.Length; k++)
        {
            double e = w[k] - grid.Decode(grid.Encode(w[k]));
            sum += h[k] * e * e;
        }

        return sum;
    }

    private static double Exhaustive(double[] w, double[] h, int largest, int zero)
    {
        double best = w.Zip(h, (v, k) => k * v * v).Sum();
        int count = (int)Math.Pow(largest + 1, w.Length);
        for (int code = 0; code < count; code++)
        {
            double product = 0, square = 0;
            for (int k = 0, rest = code; k < w.Length; k++, rest /= largest + 1)
            {
                int d = rest % (largest + 1) - zero;
                product += h[k] * w[k] * d;
                square += h[k] * d * d;
            }

            if (product <= 0)
            {
                continue;
            }

            double s = product / square, error = 0;
            for (int k = 0, rest = code; k < w.Length; k++, rest /= largest + 1)
            {
                double e = w[k] - s * (rest % (largest + 1) - zero);
                error += h[k] * e * e;
            }

            best = Math.Min(best, error);
        }

        return best;
    }

    private static (double[] Weights, double[] Importance) Group(int seed, int size, bool flat, bool outlier)
    {
        Random random = new(seed);
        double[] w = [.. Enumerable.Range(0, size).Select(_ => (random.NextDouble() + random.NextDouble() + random.NextDouble() - 1.4) * 0.1)];
        if (outlier)
        {
            w[random.Next(size)] *= 20;
        }

        return (w, [.. Enumerable.Range(0, size).Select(_ => flat ? 1 : 0.01 + random.NextDouble())]);
    }
}
