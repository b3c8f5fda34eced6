namespace Portable.Reference.Algorithms.FlattenQuant;

/// <summary>The box-plot rule that finds the truncation threshold of a tensor from its channel maxima.</summary>
internal static class BoxPlot
{
    /// <summary>A threshold is at least the largest maximum over this, so that no channel becomes more columns.</summary>
    public const int MaximumParts = 16;

    /// <summary>
    /// The truncation threshold T = Q3 + β·(Q3 − Q1) (Tukey's upper fence), within max/16 … max. It is max, and nothing is
    /// flattened, where the fence is beyond it or the statistics are degenerate (Q3 = 0, or all maxima equal).
    /// </summary>
    /// <param name="maxima">max|v| of each channel.</param>
    /// <param name="beta">Width of the fence in interquartile ranges, ≥ 0.</param>
    public static float Threshold(ReadOnlySpan<float> maxima, double beta)
    {
        float[] sorted = maxima.ToArray();
        Array.Sort(sorted);
        float largest = sorted[^1];
        double q1 = Quantile(sorted, 0.25), q3 = Quantile(sorted, 0.75);
        if (q3 == 0 || sorted[0] == largest)
        {
            return largest;
        }

        return (float)Math.Clamp(q3 + beta * (q3 - q1), largest / MaximumParts, largest);
    }

    /// <summary>Quantile by linear interpolation at position (K − 1)·p of the sorted values.</summary>
    /// <param name="sorted">Ascending values, at least one.</param>
    /// <param name="p">0 … 1.</param>
    public static double Quantile(ReadOnlySpan<float> sorted, double p)
    {
        double position = (sorted.Length - 1) * p;
        int below = (int)position;
        double lower = sorted[below], upper = sorted[Math.Min(below + 1, sorted.Length - 1)];
        return lower + (upper - lower) * (position - below);
    }
}
