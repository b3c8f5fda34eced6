using FsCheck.Xunit;
using Portable.Reference.Algorithms.FlexQ;
using Xunit;

namespace Portable.Tests.Quantization;

public class BudgetedChoiceTests
{
    [Property]
    public void TheChoiceIsTheBestOfAllSubsetsWithinTheBudget(int seed, byte share)
    {
        Random random = new(seed);
        int items = random.Next(1, 10);
        long[] costs = [.. Enumerable.Range(0, items).Select(_ => 128L * random.Next(1, 20))];
        double[] gains = [.. Enumerable.Range(0, items).Select(_ => random.NextDouble())];
        double budget = share / 255.0, best = 0;
        for (int subset = 0; subset < 1 << items; subset++)
        {
            double cost = 0, gain = 0;
            for (int i = 0; i < items; i++)
            {
                cost += (subset >> i & 1) * costs[i];
                gain += (subset >> i & 1) * gains[i];
            }

            best = cost <= budget * costs.Sum() ? Math.Max(best, gain) : best;
        }

        bool[] chosen = BudgetedChoice.Choose(costs, gains, budget);
        Assert.Equal(best, gains.Where((_, i) => chosen[i]).Sum(), 1e-9);
        Assert.True(costs.Where((_, i) => chosen[i]).Sum() <= budget * costs.Sum() + 1e-6);
    }

    [Fact]
    public void CostsWithoutACommonUnitAreRoundedUpAndNeverExceedTheBudget()
    {
        long[] costs = [100_000_007, 99_999_989, 3, 70_000_001];
        bool[] chosen = BudgetedChoice.Choose(costs, [1, 0.9, 0.1, 0.5], 0.5);
        Assert.True(costs.Where((_, i) => chosen[i]).Sum() <= costs.Sum() / 2);
        Assert.True(chosen[0]);
    }
}
