using FsCheck.Xunit;
using Portable.Generation;

namespace Portable.Tests.Generation;

public sealed class SamplerTests
{
    [Fact]
    public void Greedy_takes_the_lowest_id_among_equals() => Assert.Equal(1, new Sampler(new SamplingOptions()).Next([0f, 3f, 3f, -1f]));

    [Property]
    public void Top_k_draws_only_from_the_k_largest(int seed, byte k)
    {
        float[] logits = Logits(seed, 50);
        int kept = 1 + (k % 10);
        HashSet<int> allowed = Enumerable.Range(0, 50).OrderByDescending(i => logits[i]).Take(kept).ToHashSet();
        Sampler sampler = new(new SamplingOptions(Temperature: 2, TopK: kept, Seed: seed));
        Assert.All(Enumerable.Range(0, 40), _ => Assert.Contains(sampler.Next(logits), allowed));
    }

    [Property]
    public void Top_p_draws_only_from_the_nucleus(int seed, byte percent)
    {
        float[] logits = Logits(seed, 50);
        double p = (1 + (percent % 100)) / 100.0;
        double[] weights = logits.Select(l => Math.Exp(l)).ToArray();
        double total = weights.Sum(), mass = 0;
        HashSet<int> allowed = [];
        foreach (int i in Enumerable.Range(0, 50).OrderByDescending(i => weights[i]))
        {
            // Rounding in the sampler may take one token more where the mass meets P exactly.
            if (mass / total < p + 1e-6)
            {
                allowed.Add(i);
            }

            mass += weights[i];
        }

        Sampler sampler = new(new SamplingOptions(Temperature: 1, TopP: p, Seed: seed));
        Assert.All(Enumerable.Range(0, 40), _ => Assert.Contains(sampler.Next(logits), allowed));
    }

    [Fact]
    public void Frequencies_follow_the_probabilities()
    {
        float[] logits = [0f, MathF.Log(2), MathF.Log(5)];
        Sampler sampler = new(new SamplingOptions(Temperature: 1, Seed: 11));
        int[] counts = new int[3];
        for (int i = 0; i < 8000; i++)
        {
            counts[sampler.Next(logits)]++;
        }

        // Six standard deviations of a binomial of 8000.
        Assert.InRange(counts[0], 1000 - 180, 1000 + 180);
        Assert.InRange(counts[1], 2000 - 240, 2000 + 240);
    }

    [Theory]
    [InlineData(-1, 0, 1)]
    [InlineData(double.NaN, 0, 1)]
    [InlineData(1, -1, 1)]
    [InlineData(1, 0, 0)]
    [InlineData(1, 0, 1.5)]
    public void Options_out_of_range_are_errors(double temperature, int k, double p) =>
        Assert.Throws<ArgumentException>(() => new Sampler(new SamplingOptions(temperature, k, p)));

    private static float[] Logits(int seed, int count)
    {
        Random random = new(seed);
        return Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() * 8 - 4)).ToArray();
    }
}
