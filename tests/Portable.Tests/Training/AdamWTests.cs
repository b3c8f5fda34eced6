using FsCheck.Xunit;
using Portable.Reference.Blocks;
using Portable.Reference.Training;
using Xunit;

namespace Portable.Tests.Training;

/// <summary>AdamW against its formula written plainly in double.</summary>
public class AdamWTests
{
    [Property(MaxTest = 20)]
    public void FollowsTheFormula(int seed, byte rows, byte columns)
    {
        Random random = new(seed);
        int n = 1 + rows % 5, k = 1 + columns % 50;
        float[] values = BlockFixture.Fill(random, n * k, 1), gradient = new float[n * k], rates = BlockFixture.Fill(random, n, 0.5f, 1);
        double[] theta = BlockFixture.Wide(values)!, m = new double[n * k], v = new double[n * k];
        AdamW optimizer = new([new ParameterGroup(values, gradient, 0.01f, rates)], 0.8f, 0.95f, 1e-8f, 0.1f);
        for (int step = 1; step <= 5; step++)
        {
            float factor = 1f / step;
            for (int i = 0; i < gradient.Length; i++)
            {
                gradient[i] = (float)(random.NextDouble() - 0.3);
                double rate = 0.01 * factor * rates[i / k];
                m[i] = 0.8 * m[i] + 0.2 * gradient[i];
                v[i] = 0.95 * v[i] + 0.05 * gradient[i] * gradient[i];
                theta[i] -= rate * 0.1 * theta[i];
                theta[i] -= rate * (m[i] / (1 - Math.Pow(0.8, step))) / (Math.Sqrt(v[i] / (1 - Math.Pow(0.95, step))) + 1e-8);
            }

            optimizer.Step(factor);
        }

        for (int i = 0; i < theta.Length; i++)
        {
            Assert.Equal(theta[i], values[i], 1e-5);
        }
    }
}
