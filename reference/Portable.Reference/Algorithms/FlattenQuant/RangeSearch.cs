using Portable.Reference.Operations;
using Portable.Reference.Threading;

namespace Portable.Reference.Algorithms.FlattenQuant;

/// <summary>One matrix that reads the input.</summary>
/// <param name="Weights">N×K, row-major.</param>
/// <param name="OutputEnergy">Σ over the N outputs of their mean square, in the units of <paramref name="RowFactors"/>.</param>
/// <param name="RowFactors">What an error of each output is multiplied by before it counts, or null.</param>
internal sealed record SearchedMatrix(float[] Weights, double OutputEnergy, float[]? RowFactors);

/// <summary>What the search may do.</summary>
/// <param name="Bits">p.</param>
/// <param name="MaximumExpansion">The largest K'/K.</param>
/// <param name="FlattenWeights">Whether weight channels may have several parts.</param>
/// <param name="FreeChannels">Whether each channel may be scaled on its own (the factor goes into a norm), or all share one step.</param>
/// <param name="WeightLoss">What share of the weights' rounding error is left to count: 1 for rounding to nearest, less for GPTQ.</param>
internal sealed record SearchOptions(int Bits, double MaximumExpansion, bool FlattenWeights, bool FreeChannels, double WeightLoss);

/// <summary>
/// Thresholds, parts and smoothing factors of least expected output error (ours, in place of the box plot and SmoothQuant's
/// formula). With one scale per tensor the product of a matrix is P = sx·sw; channel j is free to have any step δ_j = sx·s_j
/// of its own, and its weights then have P/δ_j. Rounding errors of channels taken as independent, the output error is
/// <code>
/// Σ_j [ Σ_n w_nj² · E(x_j − x̂_j)² + E x_j² · Σ_n (w_nj − ŵ_nj)² ] / E‖y‖²     x̂ on δ_j within ±nx_j·Q, ŵ on P/δ_j within ±nw_j·Q
/// </code>
/// so that given P each channel chooses δ_j, nx_j and nw_j alone, against a price per column that meets Σ nx_j·nw_j ≤ cap·K. P
/// itself is found by coordinate descent. Ranges may clip: rare values are no reason for a coarse step.
/// </summary>
internal sealed class RangeSearch
{
    private const int MaximumParts = ErrorTable.MostParts;

    // Steps are powers of 2^(1/8), so that the step of a weight is an index difference.
    private const int PerOctave = 8;

    // What choosing for a channel costs, in elementwise operations.
    private const int ChannelWork = 32;

    private readonly SearchOptions _options;
    private readonly int _q, _channels, _matrices;
    private readonly ErrorTable[] _inputs;
    private readonly ErrorTable[][] _weights;
    private readonly ChannelCandidates[] _candidates;
    private readonly CancellationToken _cancellation;

    private RangeSearch(MagnitudeHistograms histograms, float[]? inputFactors, IReadOnlyList<SearchedMatrix> matrices, SearchOptions options, IColumnErrors columns, CancellationToken cancellation)
    {
        (_options, _channels, _matrices, _cancellation) = (options, histograms.Channels, matrices.Count, cancellation);
        _q = (1 << (options.Bits - 1)) - 1;
        _inputs = new ErrorTable[_channels];
        _candidates = [.. Enumerable.Range(0, _channels).Select(_ => new ChannelCandidates())];
        var inputs = new (double Magnitude, double Share)[_channels][];
        double[] energies = new double[_channels], columnEnergies = new double[_channels];
        WorkerPool.Run(_channels, j =>
        {
            List<(double, double)> bins = [];
            foreach ((double centre, double share) in histograms.Of(j))
            {
                double magnitude = centre / (inputFactors?[j] ?? 1);
                energies[j] += magnitude * magnitude * share;
                bins.Add((magnitude, share));
            }

            inputs[j] = [.. bins];
        });
        int inputParts = options.MaximumExpansion > 1 ? MaximumParts : 1, weightParts = options.FlattenWeights ? inputParts : 1;
        _weights = [.. matrices.Select(m => columns.Tabulate(new ColumnsToTabulate(m.Weights, RowWeights(m), energies, options.WeightLoss, _q, weightParts), columnEnergies, cancellation))];
        WorkerPool.Run(_channels, j =>
        {
            cancellation.ThrowIfCancellationRequested();
            (double Magnitude, double Weight)[] bins = inputs[j];
            foreach (ref (double Magnitude, double Weight) bin in bins.AsSpan())
            {
                bin.Weight *= columnEnergies[j];
            }

            _inputs[j] = ErrorTable.OfBins(bins, _q, inputParts);
        });
    }

    /// <summary>Searches.</summary>
    /// <param name="histograms">Magnitudes of the input before any smoothing.</param>
    /// <param name="inputFactors">What the input is divided by already (the weights being multiplied), or null.</param>
    /// <param name="matrices">The matrices that read it.</param>
    /// <param name="options">Width, cap, sides.</param>
    /// <param name="columns">Computes the errors of weights.</param>
    /// <param name="cancellation">Ends it early.</param>
    public static FlattenRanges Find(
        MagnitudeHistograms histograms, float[]? inputFactors, IReadOnlyList<SearchedMatrix> matrices, SearchOptions options, IColumnErrors columns, CancellationToken cancellation = default) =>
        new RangeSearch(histograms, inputFactors, matrices, options, columns, cancellation).Find();

    /// <summary>What the squared error of each output counts.</summary>
    private double[] RowWeights(SearchedMatrix matrix)
    {
        double scale = 1 / Math.Max(matrix.OutputEnergy, 1e-30);
        double[] weights = new double[matrix.Weights.Length / _channels];
        for (int n = 0; n < weights.Length; n++)
        {
            double factor = matrix.RowFactors?[n] ?? 1;
            weights[n] = factor * factor * scale;
        }

        return weights;
    }

    /// <summary>Two descents: from where everything just fits, and, where channels are free, from where the median channel does.</summary>
    private FlattenRanges Find()
    {
        int x = _inputs.Max(t => t.Top);
        if (!_options.FreeChannels)
        {
            return Descend([.. _weights.Select(w => x + w.Max(t => t.Top))], x);
        }

        FlattenRanges fromTypical = Descend([.. _weights.Select(w => Sums(w)[_channels / 2])], x), fromLargest = Descend([.. _weights.Select(w => Sums(w)[^1])], x);
        return fromLargest.Loss < fromTypical.Loss ? fromLargest : fromTypical;
    }

    private FlattenRanges Descend(int[] products, int x)
    {
        Choice best = Choose(products, x);

        // Choices seen before were no better than the best is now: turning back costs nothing.
        HashSet<string> seen = [Key(products, x)];
        for (int step = PerOctave; step >= 1; step /= 2)
        {
            for (bool moved = true; moved;)
            {
                moved = false;
                for (int m = _options.FreeChannels ? 0 : -1; m < _matrices; m++)
                {
                    foreach (int direction in (int[])[-step, step])
                    {
                        int[] tried = (int[])products.Clone();
                        int triedX = x;
                        if (m < 0)
                        {
                            // The input's step alone: the weights keep theirs.
                            triedX += direction;
                            tried = [.. products.Select(p => p + direction)];
                        }
                        else
                        {
                            tried[m] += direction;
                        }

                        if (!seen.Add(Key(tried, triedX)))
                        {
                            continue;
                        }

                        Choice choice = Choose(tried, triedX);
                        if (choice.Loss < best.Loss)
                        {
                            (best, products, x, moved) = (choice, tried, triedX, true);
                        }
                    }
                }
            }
        }

        return Build(best, products);

        static string Key(int[] products, int x) => string.Join(' ', products.Append(x));
    }

    /// <summary>The products at which both sides of a channel just fit, ascending.</summary>
    private int[] Sums(ErrorTable[] weights)
    {
        int[] sums = [.. weights.Select((t, j) => t.Top + _inputs[j].Top)];
        Array.Sort(sums);
        return sums;
    }

    /// <summary>The best choice of every channel for given products, at the lowest price that keeps the cap.</summary>
    private Choice Choose(int[] products, int x)
    {
        _cancellation.ThrowIfCancellationRequested();
        WorkerPool.Run(_channels, j => _candidates[j].Find(_inputs[j], _weights, j, products, _options.FreeChannels ? null : x));
        long cap = (long)Math.Floor(_options.MaximumExpansion * _channels);
        double low = 0, high = 0;
        if (Columns(0) > cap)
        {
            high = _candidates.Max(c => c.Loss(0));
            for (int i = 0; i < 40; i++)
            {
                double middle = (low + high) / 2;
                (low, high) = Columns(middle) > cap ? (middle, high) : (low, middle);
            }
        }

        int[] picks = [.. _candidates.Select(c => c.Pick(high))];
        return new Choice(_candidates.Select((c, j) => c.Loss(picks[j])).Sum(), [.. _candidates.Select((c, j) => c.Step(picks[j]))], [.. _candidates.Select((c, j) => c.Parts(picks[j]))]);
    }

    private long Columns(double price)
    {
        long sum = 0;
        RowRanges.Run(_channels, ChannelWork, (first, count) =>
        {
            long own = 0;
            foreach (ChannelCandidates channel in _candidates.AsSpan(first, count))
            {
                own += channel.Columns(channel.Pick(price));
            }

            Interlocked.Add(ref sum, own);
        });
        return sum;
    }

    private FlattenRanges Build(Choice choice, int[] products)
    {
        // The input's scale is the step of the median channel; it is free where factors are.
        int[] sorted = (int[])choice.Steps.Clone();
        Array.Sort(sorted);
        int common = sorted[sorted.Length / 2];
        float[]? factors = _options.FreeChannels ? [.. choice.Steps.Select(s => Power(s - common))] : null;
        FlattenPlan plan = FlattenPlan.WithParts(_options.Bits, Power(common), [.. products.Select(p => Power(p - common))], [.. choice.Parts.Select(p => p.X)], [.. choice.Parts.Select(p => p.W)]);
        return new FlattenRanges(factors, plan, choice.Loss);
    }

    /// <summary>2^(index/8) to 16 significant bits, the same on every machine.</summary>
    private static float Power(int index) => BitConverter.Int32BitsToSingle((BitConverter.SingleToInt32Bits((float)ErrorTable.Step(index)) + 0x80) & ~0xFF);

    private sealed record Choice(double Loss, int[] Steps, (int X, int W)[] Parts);
}
