using FsCheck.Xunit;
using Portable.Reference.Blocks;
using Portable.Reference.Training;
using Xunit;

namespace Portable.Tests.Training;

/// <summary>Losses against their formulas in double, gradients against finite differences of those.</summary>
public class LossTests
{
    [Property(MaxTest = 20)]
    public void Distribution(int seed, byte size)
    {
        Random random = new(seed);
        int tokens = 1 + size % 6, columns = 2 + size % 13;
        float[] y = BlockFixture.Fill(random, tokens * columns, 1, 0.2f), target = BlockFixture.Fill(random, tokens * columns, 1, 0.2f), gradient = new float[y.Length];
        double value = DistributionLoss.Add(y, target, gradient, tokens, columns, 0.7f, 0.4f);
        double[] wide = BlockFixture.Wide(y)!;

        double Loss()
        {
            double square = 0, cosine = 0;
            for (int t = 0; t < tokens; t++)
            {
                double dot = 0, a = 0, b = 0;
                for (int k = t * columns; k < (t + 1) * columns; k++)
                {
                    square += (wide[k] - target[k]) * (wide[k] - target[k]) / y.Length;
                    dot += wide[k] * target[k];
                    a += wide[k] * wide[k];
                    b += (double)target[k] * target[k];
                }

                cosine += dot / Math.Sqrt(a * b) / tokens;
            }

            return 0.7 * square - 0.4 * Math.Log(Math.Abs(cosine));
        }

        Assert.Equal(Loss(), value, 1e-4 * (1 + Math.Abs(value)));
        CompareGradient(wide, gradient, Loss);
    }

    [Property(MaxTest = 20)]
    public void AttentionPerRow(int seed, byte size) => Attention(AttentionDivergence.PerRow, seed, size);

    [Property(MaxTest = 20)]
    public void AttentionAsPublished(int seed, byte size) => Attention(AttentionDivergence.Published, seed, size);

    private static void Attention(AttentionDivergence divergence, int seed, byte size)
    {
        Random random = new(seed);
        int tokens = 1 + size % 9;
        float[] a = Causal(random, tokens), b = Causal(random, tokens), gradient = new float[a.Length];
        double value = AttentionLoss.Compute(divergence, a, b, gradient, tokens, 2f);
        double[] wide = BlockFixture.Wide(a)!, teacher = BlockFixture.Wide(b)!;

        double Loss()
        {
            double sum = 0;
            for (int t = 0; t < tokens; t++)
            {
                double[] p = wide[(t * tokens)..((t + 1) * tokens)], q = teacher[(t * tokens)..((t + 1) * tokens)];
                if (divergence == AttentionDivergence.Published)
                {
                    double sumP = p.Sum(Math.Exp), sumQ = q.Sum(Math.Exp);
                    p = p.Select(v => Math.Exp(v) / sumP).ToArray();
                    q = q.Select(v => Math.Exp(v) / sumQ).ToArray();
                }

                for (int k = 0; k < (divergence == AttentionDivergence.Published ? tokens : t + 1); k++)
                {
                    sum += q[k] * (Math.Log(q[k]) - Math.Log(p[k])) + p[k] * (Math.Log(p[k]) - Math.Log(q[k]));
                }
            }

            return 2 * sum / tokens / (divergence == AttentionDivergence.Published ? tokens : 1);
        }

        Assert.Equal(Loss(), value, 1e-4 * (1 + Math.Abs(value)));
        for (int t = 0; t < tokens; t++)
        {
            for (int k = t + 1; k < tokens; k++)
            {
                Assert.Equal(0, gradient[t * tokens + k]);
            }
        }

        CompareGradient(wide, gradient, Loss, i => i % tokens <= i / tokens);
    }

    private static float[] Causal(Random random, int tokens)
    {
        float[] map = new float[tokens * tokens];
        for (int t = 0; t < tokens; t++)
        {
            float[] row = BlockFixture.Fill(random, t + 1, 0.4f, 0.5f);
            float sum = row.Sum();
            for (int k = 0; k <= t; k++)
            {
                map[t * tokens + k] = row[k] / sum;
            }
        }

        return map;
    }

    private static void CompareGradient(double[] values, float[] gradient, Func<double> loss, Func<int, bool>? where = null)
    {
        double scale = 1 + gradient.Max(Math.Abs);
        for (int i = 0; i < values.Length; i++)
        {
            if (where is not null && !where(i))
            {
                continue;
            }

            double kept = values[i];
            values[i] = kept + 1e-6;
            double above = loss();
            values[i] = kept - 1e-6;
            double below = loss();
            values[i] = kept;
            Assert.Equal((above - below) / 2e-6, gradient[i], 3e-4 * scale);
        }
    }
}
