using FsCheck.Xunit;
using Portable.Reference.Blocks;
using Portable.Reference.Training;
using Xunit;

namespace Portable.Tests.Training;

/// <summary>
/// The quantizer against its definition in double, and its gradients against finite differences of the straight-through
/// surrogate: rounding residuals, zero point and the choice of branch frozen at the point, everything else free.
/// </summary>
public class AffineQuantizationTests
{
    private static readonly int[] Levels = [1, 3, 4, 7, 15, 63, 255];

    [Property(MaxTest = 60)]
    public void Forward(int seed, byte length, byte level)
    {
        (float[] x, int top, float low, float high) = Case(seed, length, level);
        AffineRange range = AffineQuantization.Range(x, top, low, high);
        float[] result = new float[x.Length];
        AffineQuantization.Dequantized(x, result, top, range);
        double lo = low * Math.Min(0, (double)x.Min()), hi = high * Math.Max(0, (double)x.Max()), s = Math.Max((hi - lo) / top, Math.Pow(2, -24));
        Assert.Equal(s, range.Scale, s * 1e-6);
        Assert.InRange(range.ZeroPoint, 0, top);
        for (int k = 0; k < x.Length; k++)
        {
            float code = AffineQuantization.Code(x[k], top, range);
            Assert.Equal(Math.Round(code), code);
            Assert.InRange(code, 0, top);
            Assert.Equal(s * (code - range.ZeroPoint), result[k], 1e-5 * (1 + Math.Abs(result[k])));
            double error = Math.Abs(result[k] - Math.Clamp(x[k], lo, hi));
            Assert.True(error <= s * 1.0001, $"{x[k]} became {result[k]}, step {s}");
        }
    }

    [Property(MaxTest = 60)]
    public void Gradients(int seed, byte length, byte level)
    {
        (float[] x, int top, float low, float high) = Case(seed, length, level);
        Random random = new(seed ^ 5);
        float[] upstream = BlockFixture.Fill(random, x.Length, 1), gradient = [.. upstream];
        AffineRange range = AffineQuantization.Range(x, top, low, high);
        (float toLow, float toHigh) = AffineQuantization.Backward(x, gradient, top, range, low, high);

        double[] values = BlockFixture.Wide(x)!, clips = [low, high];
        double scale = Scale(values, clips, top);
        double[] residual = new double[x.Length], branch = new double[x.Length];
        for (int k = 0; k < x.Length; k++)
        {
            double ratio = x[k] * (double)range.Reciprocal, rounded = Math.Round((double)(x[k] * range.Reciprocal));
            double code = rounded + range.ZeroPoint;
            branch[k] = code < 0 ? 0 : code > top ? top : double.NaN;
            residual[k] = rounded - ratio;
        }

        double Loss()
        {
            double s = Scale(values, clips, top), sum = 0;
            for (int k = 0; k < values.Length; k++)
            {
                // Inside the clamp s·(x/s + residual): the derivative in s is the residual, in x it is 1.
                sum += upstream[k] * (double.IsNaN(branch[k]) ? values[k] + s * residual[k] : s * (branch[k] - range.ZeroPoint));
            }

            return sum;
        }

        double tolerance = 1e-3 * (1 + upstream.Sum(Math.Abs));
        Assert.Equal(Difference(clips, 0, Loss), toLow, tolerance);
        Assert.Equal(Difference(clips, 1, Loss), toHigh, tolerance);
        for (int k = 0; k < x.Length; k++)
        {
            Assert.Equal(Difference(values, k, Loss), gradient[k], tolerance);
        }
    }

    [Fact]
    public void TiesShareTheGradientOfTheExtreme()
    {
        float[] x = [1, 1, -0.3f, 0.4f], gradient = [0, 0, 1, 0];
        AffineRange range = AffineQuantization.Range(x, 3);
        AffineQuantization.Backward(x, gradient, 3, range);
        Assert.Equal(gradient[0], gradient[1]);
        Assert.NotEqual(0, gradient[0]);
    }

    [Fact]
    public void ConstantZeroRowPassesEverything()
    {
        float[] x = new float[9], gradient = Enumerable.Repeat(2f, 9).ToArray();
        AffineRange range = AffineQuantization.Range(x, 15);
        AffineQuantization.Backward(x, gradient, 15, range);
        Assert.All(gradient, g => Assert.Equal(2f, g));
    }

    private static double Scale(double[] x, double[] clips, int top) =>
        Math.Max((clips[1] * Math.Max(0, x.Max()) - clips[0] * Math.Min(0, x.Min())) / top, Math.Pow(2, -24));

    private static double Difference(double[] values, int at, Func<double> loss)
    {
        const double Step = 1e-6;
        double kept = values[at];
        values[at] = kept + Step;
        double above = loss();
        values[at] = kept - Step;
        double below = loss();
        values[at] = kept;
        return (above - below) / (2 * Step);
    }

    private static (float[] X, int Top, float Low, float High) Case(int seed, byte length, byte level)
    {
        Random random = new(seed);
        float[] x = BlockFixture.Fill(random, 2 + length % 40, 1, (float)random.NextDouble() - 0.5f);
        return (x, Levels[level % Levels.Length], 0.4f + 0.6f * (float)random.NextDouble(), 0.4f + 0.6f * (float)random.NextDouble());
    }
}
