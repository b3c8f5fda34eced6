using System.Numerics;

namespace Portable.Reference.Algorithms.FlexQ;

/// <summary>The choice of greatest total gain whose cost stays within a share of the total cost (0/1 knapsack).</summary>
internal static class BudgetedChoice
{
    // Costs are counted in units; beyond this many units they are rounded up, which never exceeds the budget.
    private const int MaximumUnits = 20000;

    /// <summary>Chooses.</summary>
    /// <param name="costs">Cost of each item, ≥ 1 (multiply-adds).</param>
    /// <param name="gains">Gain of each item; an item without gain is never taken.</param>
    /// <param name="share">Budget as a share of Σ costs, 0 … 1.</param>
    public static bool[] Choose(IReadOnlyList<long> costs, IReadOnlyList<double> gains, double share)
    {
        long total = costs.Sum(), budget = (long)Math.Floor(share * total * (1 + 1e-12));
        long unit = costs.Aggregate(0L, (a, b) => (long)BigInteger.GreatestCommonDivisor(a, b));
        unit = Math.Max(unit, (total + MaximumUnits - 1) / MaximumUnits);
        int room = (int)(budget / unit);
        double[] best = new double[room + 1];
        bool[,] taken = new bool[costs.Count, room + 1];
        for (int i = 0; i < costs.Count; i++)
        {
            long units = (costs[i] + unit - 1) / unit;
            for (int r = room; r >= units && gains[i] > 0; r--)
            {
                double with = best[r - units] + gains[i];
                if (with > best[r])
                {
                    best[r] = with;
                    taken[i, r] = true;
                }
            }
        }

        bool[] chosen = new bool[costs.Count];
        for (int i = costs.Count - 1, r = room; i >= 0; i--)
        {
            if (taken[i, r])
            {
                chosen[i] = true;
                r -= (int)((costs[i] + unit - 1) / unit);
            }
        }

        return chosen;
    }
}
