namespace Portable.Evaluation;

/// <summary>
/// Means over predictions, with standard errors whose unit is the window: predictions of one window lean on the same words, so
/// that taking each for itself would promise too much. Windows are non-overlapping and scored on their own.
/// </summary>
internal static class WindowMeans
{
    /// <summary>Mean of all values.</summary>
    public static double Mean(ReadOnlySpan<double> values)
    {
        double sum = 0;
        foreach (double value in values)
        {
            sum += value;
        }

        return sum / values.Length;
    }

    /// <summary>√(Σ (mean of a window − mean)² / (W·(W − 1))); null for a single window, which says nothing of how windows differ.</summary>
    /// <param name="values">Window after window.</param>
    /// <param name="perWindow">Values of a window.</param>
    public static double? StandardError(ReadOnlySpan<double> values, int perWindow)
    {
        int windows = values.Length / perWindow;
        if (windows < 2)
        {
            return null;
        }

        double mean = Mean(values), squares = 0;
        for (int window = 0; window < windows; window++)
        {
            double from = Mean(values.Slice(window * perWindow, perWindow)) - mean;
            squares += from * from;
        }

        return Math.Sqrt(squares / ((double)windows * (windows - 1)));
    }

    /// <summary>A quantile, linear between the two values beside it.</summary>
    /// <param name="values">In any order; at least one.</param>
    /// <param name="part">0 … 1.</param>
    public static double Quantile(ReadOnlySpan<double> values, double part)
    {
        double[] sorted = values.ToArray();
        Array.Sort(sorted);
        double place = part * (sorted.Length - 1);
        int below = (int)place;

        // A value itself where the place is one: what is between two is rounded.
        return place == below ? sorted[below] : sorted[below] + ((place - below) * (sorted[below + 1] - sorted[below]));
    }
}
