namespace Portable.Reference.Algorithms.FlattenQuant;

/// <summary>What is known of a fused linear group (one input, one or more matrices) when its width is decided.</summary>
/// <param name="MultiplyAdds">Original multiply-adds per token, Σ N·K.</param>
/// <param name="LowDivergence">KL of the outputs at the low width.</param>
/// <param name="HighDivergence">KL of the outputs at the high width.</param>
internal sealed record WidthCandidate(long MultiplyAdds, double LowDivergence, double HighDivergence);

/// <summary>Which groups take the low width (INT4): three readings of the paper's KL criterion.</summary>
internal static class WidthDecision
{
    /// <summary>
    /// R3: groups in ascending order of divergence take the low width as long as they fit into the budget; one that does not
    /// fit is passed over, so that the share is as large as the order allows and never larger than the budget.
    /// </summary>
    /// <param name="groups">All groups of the model.</param>
    /// <param name="budget">Largest share of the model's original multiply-adds, 0 … 1.</param>
    /// <param name="perMultiplyAdd">Order by divergence per multiply-add instead (a greedy knapsack).</param>
    public static bool[] ByBudget(IReadOnlyList<WidthCandidate> groups, double budget, bool perMultiplyAdd = false)
    {
        bool[] low = new bool[groups.Count];
        double room = budget * groups.Sum(g => g.MultiplyAdds);
        long used = 0;
        foreach (int i in Enumerable.Range(0, groups.Count).OrderBy(i => perMultiplyAdd ? groups[i].LowDivergence / groups[i].MultiplyAdds : groups[i].LowDivergence).ThenBy(i => i))
        {
            if (used + groups[i].MultiplyAdds <= room)
            {
                low[i] = true;
                used += groups[i].MultiplyAdds;
            }
        }

        return low;
    }

    /// <summary>R2: the low width wherever its divergence is at most <paramref name="limit"/>.</summary>
    public static bool[] ByLimit(IReadOnlyList<WidthCandidate> groups, double limit) => [.. groups.Select(g => g.LowDivergence <= limit)];

    /// <summary>R1: the low width wherever its divergence is at most <paramref name="ratio"/> times that of the high width.</summary>
    public static bool[] ByRatio(IReadOnlyList<WidthCandidate> groups, double ratio) => [.. groups.Select(g => g.LowDivergence <= ratio * g.HighDivergence)];

    /// <summary>Share of the original multiply-adds at the low width.</summary>
    public static double Share(IReadOnlyList<WidthCandidate> groups, bool[] low) =>
        (double)groups.Where((_, i) => low[i]).Sum(g => g.MultiplyAdds) / groups.Sum(g => g.MultiplyAdds);
}
