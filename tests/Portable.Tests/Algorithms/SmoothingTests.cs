using FsCheck.Xunit;
using Portable.Reference.Algorithms.Baselines;
using Xunit;

namespace Portable.Tests.Algorithms;

public class SmoothingTests
{
    [Property]
    public void TheProductIsUnchanged(int seed, byte strength)
    {
        Random random = new(seed);
        float[] x = Random(random, 12), w = Random(random, 12);
        float[] xMaxima = new float[4], wMaxima = new float[4];
        Smoothing.RaiseColumnMaxima(x, xMaxima);
        Smoothing.RaiseColumnMaxima(w, wMaxima);
        float[] s = Smoothing.Factors(xMaxima, wMaxima, strength / 255.0);
        float[] xs = Smoothing.Scale(x, s, divide: true), ws = Smoothing.Scale(w, s, divide: false);
        for (int i = 0; i < 12; i++)
        {
            Assert.Equal(x[i] * w[i], xs[i] * ws[i], 1e-5f * Math.Abs(x[i] * w[i]));
        }
    }

    [Fact]
    public void HalfStrengthGivesBothSidesTheSameMaxima()
    {
        float[] x = [8f, 0.5f, 2f], w = [0.5f, 2f, 2f];
        float[] s = Smoothing.Factors(x, w, 0.5);
        Assert.Equal([4f, 0.5f, 1f], s);
        Assert.Equal(Smoothing.Scale(x, s, divide: true), Smoothing.Scale(w, s, divide: false));
    }

    [Fact]
    public void DeadChannelsKeepAPositiveFactor() => Assert.All(Smoothing.Factors([0f, 0f], [0f, 1f], 0.5), s => Assert.True(s > 0));

    private static float[] Random(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() * 2 - 1) * MathF.Pow(10, random.Next(-2, 3)))];
}
