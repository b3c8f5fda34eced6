namespace Portable.Vulkan.Engine;

/// <summary>Chooses among kernels that give the same bits by what the driver's compiler made of them.</summary>
internal static class CleanestPipeline
{
    private const double LongestSeconds = 5;

    /// <summary>
    /// The first candidate that the compiler builds soon and keeps in registers; where none is so, the one that goes to memory least,
    /// of equals the one that is built sooner, of equals the first. Candidates after a clean one are not built.
    /// </summary>
    /// <param name="candidates">The best first.</param>
    /// <param name="build">Builds one.</param>
    /// <returns>Null where there is no candidate.</returns>
    public static T? Of<T>(IEnumerable<T> candidates, Func<T, PipelineStatistics> build)
        where T : class
    {
        T? best = null;
        (long Spills, double Seconds) least = (long.MaxValue, 0);
        foreach (T candidate in candidates)
        {
            PipelineStatistics built = build(candidate);
            (long Spills, double Seconds) cost = (built.Spills, built.Seconds < LongestSeconds ? 0 : built.Seconds);
            if (best is null || cost.CompareTo(least) < 0)
            {
                (best, least) = (candidate, cost);
            }

            if (least == (0, 0))
            {
                break;
            }
        }

        return best;
    }
}
