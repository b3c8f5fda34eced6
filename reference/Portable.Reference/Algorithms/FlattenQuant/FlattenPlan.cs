using Portable.Reference.Quantization;

namespace Portable.Reference.Algorithms.FlattenQuant;

/// <summary>Options of channel flattening.</summary>
/// <param name="Beta">β of the box-plot rule.</param>
/// <param name="FlattenWeights">Whether weight channels are flattened too (mirrored flatten), or activations only.</param>
/// <param name="MaximumExpansion">The largest K'/K; β grows by 0.25 until it holds.</param>
internal sealed record FlattenOptions(double Beta = 1.5, bool FlattenWeights = true, double MaximumExpansion = 1.25);

/// <summary>
/// How the K channels of one input (and of the weights that read it) are flattened at one width: thresholds, static scales,
/// and the number of parts of each channel on both sides. Channel j becomes nx_j·nw_j columns.
/// </summary>
internal sealed class FlattenPlan
{
    private FlattenPlan(int bits, double beta, float activationScale, float[] weightScales, int[] activationParts, int[] weightParts)
    {
        (Bits, Beta, ActivationScale, WeightScales, ActivationParts, WeightParts) = (bits, beta, activationScale, weightScales, activationParts, weightParts);
        ExpandedColumns = activationParts.Zip(weightParts, (a, b) => a * b).Sum();
    }

    /// <summary>p, 2…8; the codes of a part lie within ±<see cref="Q"/>.</summary>
    public int Bits { get; }

    /// <summary>2^(p−1) − 1.</summary>
    public int Q => (1 << (Bits - 1)) - 1;

    /// <summary>The β that met the expansion cap.</summary>
    public double Beta { get; }

    /// <summary>sx = Tx / Q, one for the tensor, fixed.</summary>
    public float ActivationScale { get; }

    /// <summary>sw = Tw / Q of each matrix that reads the input.</summary>
    public float[] WeightScales { get; }

    /// <summary>nx_j ≥ 1.</summary>
    public int[] ActivationParts { get; }

    /// <summary>nw_j ≥ 1: the most that any of the matrices needs, so that they read the same columns.</summary>
    public int[] WeightParts { get; }

    /// <summary>K' = Σ nx_j·nw_j, without padding.</summary>
    public int ExpandedColumns { get; }

    /// <summary>K'/K.</summary>
    public double Expansion => (double)ExpandedColumns / ActivationParts.Length;

    /// <summary>Finds thresholds and parts.</summary>
    /// <param name="activationMaxima">max|X_j| after smoothing, K values.</param>
    /// <param name="weightMaxima">max|W_j| after smoothing, of each matrix that reads the input.</param>
    /// <param name="bits">p, 2…8.</param>
    /// <param name="options">β, sides and cap.</param>
    public static FlattenPlan Create(ReadOnlySpan<float> activationMaxima, IReadOnlyList<float[]> weightMaxima, int bits, FlattenOptions options)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bits, 2);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bits, 8);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Beta);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.MaximumExpansion, 1);
        for (double beta = options.Beta; ; beta += 0.25)
        {
            float tx = BoxPlot.Threshold(activationMaxima, beta);
            float[] tw = [.. weightMaxima.Select(m => options.FlattenWeights ? BoxPlot.Threshold(m, beta) : m.Max())];
            FlattenPlan plan = WithThresholds(activationMaxima, weightMaxima, bits, tx, tw, beta);
            if (plan.Expansion <= options.MaximumExpansion || plan.ExpandedColumns == activationMaxima.Length)
            {
                return plan;
            }

            // The lower bound max/16 holds a threshold however β grows: then the cap can only be met by raising the thresholds.
            if (beta > options.Beta + 1000)
            {
                return RaiseThresholds(activationMaxima, weightMaxima, bits, tx, tw, beta, options.MaximumExpansion);
            }
        }
    }

    /// <summary>The plan of given thresholds.</summary>
    /// <param name="activationMaxima">max|X_j|.</param>
    /// <param name="weightMaxima">max|W_j|.</param>
    /// <param name="bits">p.</param>
    /// <param name="activationThreshold">Tx.</param>
    /// <param name="weightThresholds">Tw of each matrix.</param>
    /// <param name="beta">Reported as <see cref="Beta"/>.</param>
    public static FlattenPlan WithThresholds(ReadOnlySpan<float> activationMaxima, IReadOnlyList<float[]> weightMaxima, int bits, float activationThreshold, float[] weightThresholds, double beta = 0)
    {
        int q = (1 << (bits - 1)) - 1;
        return new FlattenPlan(
            bits,
            beta,
            WeightGrid.ClampScale((double)activationThreshold / q),
            [.. weightThresholds.Select(t => WeightGrid.ClampScale((double)t / q))],
            Parts(activationMaxima, activationThreshold),
            weightMaxima.Zip(weightThresholds, (m, t) => Parts(m, t)).Aggregate((a, b) => [.. a.Zip(b, Math.Max)]));
    }

    /// <summary>The plan of given scales and parts.</summary>
    /// <param name="bits">p.</param>
    /// <param name="activationScale">sx.</param>
    /// <param name="weightScales">sw of each matrix.</param>
    /// <param name="activationParts">nx_j.</param>
    /// <param name="weightParts">nw_j.</param>
    public static FlattenPlan WithParts(int bits, float activationScale, float[] weightScales, int[] activationParts, int[] weightParts) =>
        new(bits, 0, WeightGrid.ClampScale(activationScale), [.. weightScales.Select(s => WeightGrid.ClampScale(s))], activationParts, weightParts);

    /// <summary>The plan of inputs that have scales of their own for each token and group of channels: none of them needs several parts.</summary>
    public FlattenPlan WithWholeActivations() => new(Bits, Beta, ActivationScale, WeightScales, [.. ActivationParts.Select(_ => 1)], WeightParts);

    /// <summary>n_j = max(1, ⌈m_j / T − 10⁻⁶⌉): a maximum of exactly k·T gives k parts.</summary>
    public static int[] Parts(ReadOnlySpan<float> maxima, float threshold)
    {
        int[] parts = new int[maxima.Length];
        for (int j = 0; j < parts.Length; j++)
        {
            parts[j] = threshold > 0 ? Math.Max(1, (int)Math.Ceiling((double)maxima[j] / threshold - 1e-6)) : 1;
        }

        return parts;
    }

    private static FlattenPlan RaiseThresholds(ReadOnlySpan<float> activationMaxima, IReadOnlyList<float[]> weightMaxima, int bits, float tx, float[] tw, double beta, double cap)
    {
        while (true)
        {
            tx *= 1.05f;
            tw = [.. tw.Select(t => t * 1.05f)];
            FlattenPlan plan = WithThresholds(activationMaxima, weightMaxima, bits, tx, tw, beta);
            if (plan.Expansion <= cap)
            {
                return plan;
            }
        }
    }
}
