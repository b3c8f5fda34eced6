using System.Runtime.Intrinsics;
using FsCheck.Xunit;
using Portable.Evaluation;

namespace Portable.Tests.Evaluation;

public sealed class DivergenceTests
{
    [Property(MaxTest = 100)]
    public void It_is_the_sum_of_p_times_the_logarithm_of_p_over_q(int seed, ushort size, byte noise)
    {
        Random random = new(seed);
        float[] f = Logits(random, 1 + (size % 700), 20), g = [.. f.Select(v => v + (float)((random.NextDouble() - 0.5) * noise / 8))];
        double expected = Defined(f, g);
        double found = Divergence.Of(f, g);
        Assert.True(found >= 0);
        Assert.Equal(expected, found, 1e-13 + (1e-11 * expected));
    }

    [Property(MaxTest = 50)]
    public void Equal_distributions_do_not_diverge(int seed, byte size)
    {
        Random random = new(seed);
        float[] f = Logits(random, size + 1, 30);
        Assert.Equal(0, Divergence.Of(f, f));
        Assert.Equal(0, Divergence.Of(f, [.. f.Select(v => v + 8)]), 1e-5); // 8 more is not exact in single precision.
    }

    [Theory]
    [InlineData(1e4f)]
    [InlineData(3e38f)]
    public void Logits_far_apart_underflow_and_nothing_else(float far)
    {
        float[] f = [far, -far, 0], g = [far, -far, far];
        Assert.Equal(Math.Log(2), Divergence.Of(f, g), 1e-12);
        Assert.Equal(double.IsFinite(Divergence.Of(g, f)), double.IsFinite((double)far - 0));
    }

    [Fact]
    public void The_exponential_is_right_to_two_units_in_the_last_place()
    {
        Random random = new(5);
        for (int i = 0; i < 20000; i++)
        {
            double x = i == 0 ? 0 : -random.NextDouble() * (i % 3 == 0 ? 700 : i % 3 == 1 ? 1 : 30);
            double found = Divergence.Exp(Vector256.Create(x))[0], expected = Math.Exp(x);
            Assert.InRange(Math.Abs(BitConverter.DoubleToInt64Bits(found) - BitConverter.DoubleToInt64Bits(expected)), 0, 2);
        }
    }

    [Fact]
    public void The_top_is_the_first_of_the_largest()
    {
        Assert.True(Divergence.SameTop([1, 3, 3, 0], [0, 5, 4, 5]));
        Assert.False(Divergence.SameTop([1, 3, 3, 0], [0, 4, 5, 0]));
    }

    [Property(MaxTest = 50)]
    public void Standard_errors_and_quantiles_are_those_of_the_book(int seed, byte windows, byte size)
    {
        Random random = new(seed);
        int count = 2 + (windows % 9), each = 1 + (size % 20);
        double[] values = [.. Enumerable.Range(0, count * each).Select(_ => random.NextDouble())];
        double[] means = [.. values.Chunk(each).Select(w => w.Average())];
        double variance = means.Sum(m => (m - means.Average()) * (m - means.Average())) / (count - 1);
        Assert.Equal(Math.Sqrt(variance / count), WindowMeans.StandardError(values, each)!.Value, 1e-12);
        Assert.Null(WindowMeans.StandardError(values.AsSpan(0, each), each));
        double[] sorted = [.. values.Order()];
        Assert.Equal(sorted[^1], WindowMeans.Quantile(values, 1));
        Assert.Equal(sorted[0], WindowMeans.Quantile(values, 0));
        Assert.InRange(WindowMeans.Quantile(values, 0.5), sorted[(sorted.Length - 1) / 2], sorted[sorted.Length / 2]);
        Assert.Equal(4.96, WindowMeans.Quantile([5, 1, 2, 4, 3], 0.99), 1e-12);
    }

    [Fact]
    public void A_quantile_at_a_values_own_place_is_the_value()
    {
        Random random = new(1);
        for (int count = 1; count < 60; count++)
        {
            double[] values = [.. Enumerable.Range(0, count).Select(_ => random.NextDouble())];
            Assert.Equal(values.Max(), WindowMeans.Quantile(values, 1));
            Assert.Equal(values.Min(), WindowMeans.Quantile(values, 0));
        }
    }

    private static float[] Logits(Random random, int count, double spread) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() - 0.5) * spread))];

    /// <summary>The definition, with the largest logits taken away so that it does not overflow.</summary>
    internal static double Defined(float[] f, float[] g)
    {
        double mf = f.Max(), mg = g.Max(), sf = f.Sum(v => Math.Exp(v - mf)), sg = g.Sum(v => Math.Exp(v - mg)), sum = 0;
        for (int i = 0; i < f.Length; i++)
        {
            double p = Math.Exp(f[i] - mf) / sf;
            sum += p == 0 ? 0 : p * (Math.Log(p) - (g[i] - mg - Math.Log(sg)));
        }

        return sum;
    }
}
