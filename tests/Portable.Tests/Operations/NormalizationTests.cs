using FsCheck.Xunit;
using Portable.Reference.Arithmetic;
using Portable.Reference.Operations;
using Portable.Tests.Arithmetic;

namespace Portable.Tests.Operations;

public class NormalizationTests
{
    [Property(MaxTest = 40)]
    public void NormsAreTheContractAndNearTheRealOnes(int seed, byte width, byte count)
    {
        int columns = 1 + width, rows = 1 + count % 4;
        float[] x = AwkwardValues.Activations(rows * columns, seed), gain = AwkwardValues.Activations(columns, seed + 1), bias = AwkwardValues.Activations(columns, seed + 2);
        float[] rms = new float[x.Length], layer = new float[x.Length], ones = new float[columns];
        Array.Fill(ones, 1f);
        Normalization.RmsNorm(x, rows, columns, gain, 1e-5f, rms);
        Normalization.LayerNorm(x, rows, columns, gain, bias, 1e-5f, layer);
        for (int row = 0; row < rows; row++)
        {
            float[] v = x[(row * columns)..((row + 1) * columns)];
            float r = Contract.ReciprocalSquareRoot(Contract.OrderedDot(v, v) * (1f / columns) + 1e-5f);
            ElementwiseTests.Equal(columns, i => Contract.Canonical(v[i] * r * gain[i]), rms[(row * columns)..((row + 1) * columns)]);

            float mean = Contract.OrderedDot(v, ones) * (1f / columns);
            float[] d = [.. v.Select(value => value - mean)];
            float s = Contract.ReciprocalSquareRoot(Contract.OrderedDot(d, d) * (1f / columns) + 1e-5f);
            ElementwiseTests.Equal(columns, i => Contract.Canonical(d[i] * s * gain[i] + bias[i]), layer[(row * columns)..((row + 1) * columns)]);

            double meanSquare = v.Average(value => (double)value * value), average = v.Average(value => (double)value);
            double variance = v.Average(value => (value - average) * (value - average));
            for (int i = 0; i < columns; i++)
            {
                Assert.InRange(Math.Abs(rms[row * columns + i] - v[i] * gain[i] / Math.Sqrt(meanSquare + 1e-5)), 0, 1e-4);
                Assert.InRange(Math.Abs(layer[row * columns + i] - ((v[i] - average) * gain[i] / Math.Sqrt(variance + 1e-5) + bias[i])), 0, 1e-3);
            }
        }
    }
}
