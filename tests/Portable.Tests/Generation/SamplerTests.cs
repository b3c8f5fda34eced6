using System.Numerics;
using FsCheck.Xunit;
using Portable.Generation;
using Portable.Reference.Arithmetic;

namespace Portable.Tests.Generation;

/// <summary>Draws beside the definition: softmax in double precision, sorted, cut.</summary>
public sealed class SamplerTests
{
    [Fact]
    public void Greedy_takes_the_lowest_id_among_equals()
    {
        Assert.Equal(1, new Sampler(new SamplingOptions()).Next([0f, 3f, 3f, -1f], 0));
        Assert.Equal(0, new Sampler(new SamplingOptions()).Next([-0f, 0f, -1f], 0));
    }

    [Property]
    public void Draws_come_from_the_set_that_the_cuts_leave(int seed, byte k, byte percent, byte least)
    {
        Random random = new(seed);
        float[] logits = Logits(random, 1 + random.Next(300));
        SamplingOptions options = new() { Temperature = 0.3 + random.NextDouble(), TopK = k % 20, TopP = (1 + (percent % 100)) / 100.0, MinP = least % 4 == 0 ? least / 300.0 : 0, Seed = seed };
        (HashSet<int> allowed, _) = Definition(logits, options, 1e-6);
        Assert.All(Enumerable.Range(0, 40), position => Assert.Contains(new Sampler(options).Next(logits, position), allowed));
    }

    [Property]
    public void Draws_are_the_contracts_to_the_id(int seed, byte k, byte percent, byte least, byte spread)
    {
        // Few distinct values, so that cuts fall among equals; some shapes flat, some with a single token in reach.
        Random random = new(seed);
        float unit = spread % 3 switch { 0 => 0.5f, 1 => 20f, _ => 1e-5f };
        float[] logits = [.. Enumerable.Range(0, 1 + random.Next(700)).Select(_ => random.Next(40) == 0 ? float.NegativeInfinity : unit * random.Next(-6, 7))];
        logits[random.Next(logits.Length)] = 0;
        SamplingOptions options = new()
        {
            Temperature = spread % 7 == 0 ? 1e-300 : 0.1 + (2 * random.NextDouble()), TopK = k % 2 * random.Next(1, logits.Length + 5), TopP = percent % 2 == 0 ? 1 : 0.001 + (0.998 * random.NextDouble()), MinP = least % 2 * random.NextDouble(), Seed = seed,
        };
        Sampler sampler = new(options);
        Assert.All(Enumerable.Range(0, 20), position => Assert.Equal(Drawn(logits, options, position), sampler.Next(logits, position)));
    }

    [Theory]
    [InlineData(1, 0, 1, 0)]
    [InlineData(0.7, 0, 0.9, 0)]
    [InlineData(1.3, 7, 1, 0)]
    [InlineData(0.8, 12, 0.8, 0)]
    [InlineData(1, 0, 1, 0.1)]
    [InlineData(0.9, 15, 0.95, 0.05)]
    public void Frequencies_follow_the_definition(double temperature, int k, double p, double least)
    {
        const int Draws = 40_000;
        float[] logits = Logits(new Random(5), 25);
        SamplingOptions options = new() { Temperature = temperature, TopK = k, TopP = p, MinP = least, Seed = 42 };
        (_, double[] expected) = Definition(logits, options, 0);
        Sampler sampler = new(options);
        int[] counts = new int[logits.Length];
        for (int i = 0; i < Draws; i++)
        {
            counts[sampler.Next(logits, i)]++;
        }

        // χ² of the tokens that 5 draws or more are expected of; its mean is the degrees of freedom f, its variance 2f.
        double square = 0;
        int degrees = -1;
        for (int i = 0; i < counts.Length; i++)
        {
            Assert.True(expected[i] > 0 || counts[i] == 0, $"token {i} is cut and was drawn");
            if (expected[i] * Draws >= 5)
            {
                square += Math.Pow(counts[i] - (expected[i] * Draws), 2) / (expected[i] * Draws);
                degrees++;
            }
        }

        Assert.InRange(square, 0, degrees + (5 * Math.Sqrt(2 * degrees)));
    }

    [Property]
    public void A_draw_depends_on_seed_choice_and_position_alone(int seed, int choice, ushort position)
    {
        float[] logits = Logits(new Random(seed), 200);
        SamplingOptions options = new() { Temperature = 1, Seed = seed };
        Sampler busy = new(options, choice);
        busy.Next(logits, 3);
        Assert.Equal(new Sampler(options, choice).Next(logits, position), busy.Next(logits, position));
    }

    [Fact]
    public void Choices_and_positions_draw_different_numbers()
    {
        float[] logits = new float[1000];
        SamplingOptions options = new() { Temperature = 1 };
        int[] Answer(int choice) => [.. Enumerable.Range(0, 20).Select(position => new Sampler(options, choice).Next(logits, position))];
        Assert.NotEqual(Answer(0), Answer(1));
        Assert.InRange(Answer(0).Distinct().Count(), 15, 20);
    }

    [Fact]
    public void Penalties_and_biases_change_logits_as_defined()
    {
        float[] logits = [2f, 1.9f, 1.5f, -1f];
        Assert.Equal(3, new Sampler(new SamplingOptions { LogitBias = new Dictionary<int, double> { [3] = 4 } }).Next(logits, 0));

        Sampler presence = new(new SamplingOptions { PresencePenalty = 0.3 });
        Assert.Equal([0, 1, 0, 0], Enumerable.Range(0, 4).Select(i => presence.Next(logits, i)));

        // 2.0, 1.9; then 1.7, 1.9; then 1.7, 1.6; then 1.4, 1.6, 1.5; then 1.4, 1.3, 1.5.
        Sampler frequency = new(new SamplingOptions { FrequencyPenalty = 0.3 });
        Assert.Equal([0, 1, 0, 1, 2], Enumerable.Range(0, 5).Select(i => frequency.Next(logits, i)));

        // The prompt counts for the repetition penalty: 2 / 1.25 = 1.6.
        Sampler repetition = new(new SamplingOptions { RepetitionPenalty = 1.25 });
        repetition.Observe([0]);
        Assert.Equal([1, 0, 0], Enumerable.Range(0, 3).Select(i => repetition.Next(logits, i)));
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    public void Extreme_logits_are_drawn_from(int shape)
    {
        float[] logits = shape switch
        {
            0 => [float.NegativeInfinity, 3f, float.NegativeInfinity],
            1 => [1f],
            7 => [-1e30f, 1e30f],
            8 => [.. Enumerable.Repeat(0f, 128_256)],
            _ => [.. Enumerable.Range(0, 9).Select(i => i == 8 ? 100f : -100f)],
        };
        Sampler sampler = new(new SamplingOptions { Temperature = 0.01, TopP = 0.999, TopK = 50 });
        int expected = shape switch { 0 or 7 => 1, 9 => 8, _ => -1 };
        int drawn = sampler.Next(logits, 5);
        Assert.InRange(drawn, 0, logits.Length - 1);
        Assert.True(expected < 0 || drawn == expected);
    }

    [Fact]
    public void Biases_that_leave_no_token_are_an_error() =>
        Assert.Throws<ArgumentException>(() => new Sampler(new SamplingOptions { Temperature = 1, TopP = 0.5, LogitBias = new Dictionary<int, double> { [0] = double.NegativeInfinity } }).Next([1f], 0));

    [Fact]
    public void Options_out_of_range_are_errors()
    {
        SamplingOptions[] wrong =
        [
            new() { Temperature = -1 }, new() { Temperature = double.NaN }, new() { TopK = -1 }, new() { TopP = 0 }, new() { TopP = 1.5 }, new() { MinP = -0.1 }, new() { MinP = 2 },
            new() { RepetitionPenalty = 0 }, new() { PresencePenalty = double.PositiveInfinity }, new() { FrequencyPenalty = double.NaN }, new() { LogitBias = new Dictionary<int, double> { [-1] = 0 } },
        ];
        Assert.All(wrong, options => Assert.Throws<ArgumentException>(() => new Sampler(options)));
    }

    // docs/float-contract.md as it stands there: sorted, summed, scalar.
    private static int Drawn(float[] logits, SamplingOptions options, int position)
    {
        float largest = logits.Max(), inverse = (float)Math.Min(1 / options.Temperature, float.MaxValue);
        float[] distances = [.. logits.Select(l => (largest - l) * inverse)];
        BigInteger[] weights = [.. distances.Select(d => new BigInteger(Math.Floor(Contract.Exp(-d) * Math.Pow(2, 40))))];
        int[] kept = [.. Enumerable.Range(0, logits.Length).OrderBy(i => distances[i]).ThenBy(i => i)];
        kept = options.TopK > 0 ? [.. kept.Take(options.TopK)] : kept;
        if (options.TopP < 1)
        {
            BigInteger wanted = BigInteger.Max(1, new BigInteger(Math.Ceiling(options.TopP * (double)Total()))), mass = 0;
            kept = [.. kept.TakeWhile(i => (mass += weights[i]) - weights[i] < wanted)];
        }

        kept = [.. kept.Where(i => weights[i] >= new BigInteger(Math.Ceiling(options.MinP * Math.Pow(2, 40))))];
        BigInteger point = (Total() * SplitMix64.Of((ulong)options.Seed, 0, (uint)position)) >> 64;
        return kept.Order().First(i => (point -= weights[i]) < 0);

        BigInteger Total() => kept.Aggregate(BigInteger.Zero, (sum, i) => sum + weights[i]);
    }

    // The tokens that may be drawn, and their probabilities. Rounding in the sampler may take one token more or less where the mass
    // meets P exactly: slack allows the former.
    private static (HashSet<int> Allowed, double[] Probabilities) Definition(float[] logits, SamplingOptions options, double slack)
    {
        double largest = logits.Max();
        double[] weights = [.. logits.Select(l => Math.Exp((l - largest) / options.Temperature))];
        IEnumerable<int> order = Enumerable.Range(0, logits.Length).OrderByDescending(i => logits[i]).ThenBy(i => i);
        int[] kept = [.. options.TopK > 0 ? order.Take(options.TopK) : order];
        double total = kept.Sum(i => weights[i]), mass = 0;
        List<int> nucleus = [];
        foreach (int i in kept)
        {
            if (mass / total < options.TopP + slack)
            {
                nucleus.Add(i);
            }

            mass += weights[i];
        }

        HashSet<int> allowed = [.. nucleus.Where(i => weights[i] >= options.MinP * (1 - (1e3 * slack)))];
        double sum = allowed.Sum(i => weights[i]);
        return (allowed, [.. Enumerable.Range(0, logits.Length).Select(i => allowed.Contains(i) ? weights[i] / sum : 0)]);
    }

    private static float[] Logits(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() * 8) - 4))];
}
