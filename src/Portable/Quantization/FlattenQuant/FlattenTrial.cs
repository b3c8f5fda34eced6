using Portable.Models;
using Portable.Quantization.Baselines;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlattenQuant;

/// <summary>What is known of a block's inputs before anything is quantized.</summary>
/// <param name="Maxima">max|X_j| over the calibration tokens.</param>
/// <param name="Histograms">How the magnitudes are spread.</param>
/// <param name="Held">Inputs of held-out tokens, tokens × K.</param>
internal sealed record InputStatistics(float[] Maxima, MagnitudeHistograms Histograms, float[] Held);

/// <summary>One way to smooth and flatten a block at one width, and what each fused group loses by it on held-out inputs, weights rounded to nearest.</summary>
internal sealed class FlattenTrial
{
    private readonly BlockWeights _block;
    private readonly FlattenSettings _settings;
    private readonly ScaledBlock _scaled;
    private readonly IReadOnlyDictionary<BlockInput, InputStatistics> _statistics;
    private readonly Dictionary<BlockInput, float[]> _maxima;
    private readonly LinearOutputs _outputs;
    private readonly int _bits;
    private readonly CancellationToken _cancellation;
    private readonly Dictionary<BlockInput, FlattenRanges> _ranges = [];
    private readonly Dictionary<BlockInput, (double Divergence, double Error)> _compared = [];

    /// <summary>Smooths the block; its inputs are planned when they are first asked for, each without regard to the others.</summary>
    /// <param name="block">Float weights.</param>
    /// <param name="settings">How.</param>
    /// <param name="statistics">Of the float block's inputs.</param>
    /// <param name="outputs">Computes outputs for the held-out inputs; those of the float block are known to it.</param>
    /// <param name="folded">Inputs of o and down to smooth too.</param>
    /// <param name="bits">4 or 8.</param>
    /// <param name="cancellation">Ends searches early.</param>
    public FlattenTrial(
        BlockWeights block,
        FlattenSettings settings,
        IReadOnlyDictionary<BlockInput, InputStatistics> statistics,
        LinearOutputs outputs,
        IReadOnlySet<BlockInput> folded,
        int bits,
        CancellationToken cancellation)
    {
        (_block, _settings, _statistics, _outputs, _bits, _cancellation) = (block, settings, statistics, outputs, bits, cancellation);
        _maxima = statistics.ToDictionary(m => m.Key, m => (float[])m.Value.Maxima.Clone());
        _scaled = new ScaledBlock(block);
        settings.Fold(_scaled, _maxima, folded.Contains);
    }

    /// <summary>Factors and plan of an input.</summary>
    public FlattenRanges Ranges(BlockInput input)
    {
        if (!_ranges.TryGetValue(input, out FlattenRanges? ranges))
        {
            ranges = _settings.Search ? Searched(input) : BoxPlotted(input);
            ranges = _settings.ActivationGroup > 0 ? ranges with { Plan = ranges.Plan.WithWholeActivations() } : ranges;
            _ranges.Add(input, ranges);
        }

        return ranges;
    }

    /// <summary>KL of the outputs' histograms, and ‖Y−Ŷ‖/‖Y‖, in the units of the float model.</summary>
    public (double Divergence, double Error) Compare(BlockInput input)
    {
        FlattenPlan plan = Ranges(input).Plan;
        if (!_compared.TryGetValue(input, out (double Divergence, double Error) compared))
        {
            _cancellation.ThrowIfCancellationRequested();
            compared = Compare(input, plan);
            _compared.Add(input, compared);
        }

        return compared;
    }

    private (double Divergence, double Error) Compare(BlockInput input, FlattenPlan plan)
    {
        IReadOnlyList<LinearWeights> linears = _block.Reading(input);
        float[] held = _statistics[input].Held;
        ExactOutputs[] exact = [.. linears.Select(l => _outputs.Exact(l, held))];
        HistogramDivergence histograms = new(exact.Min(y => y.Minimum), exact.Max(y => y.Maximum));
        double difference = 0, norm = 0;
        foreach ((int matrix, LinearWeights linear) in linears.Index())
        {
            QuantizedLinear layer = FlattenedBlock.RoundToNearest(plan, matrix, _scaled.Weights(linear), linear.OutputFeatures).Pack(null, _settings.ActivationGroup);
            (double lost, double all) = _outputs.Compare(
                linear, linear.WithQuantized(layer, _settings.Scheme(_bits)), held, _scaled.InputFactors.GetValueOrDefault(linear.Name), _scaled.OutputFactors.GetValueOrDefault(linear.Name), histograms);
            difference += lost;
            norm += all;
        }

        return (histograms.Divergence(), Math.Sqrt(difference / Math.Max(norm, double.Epsilon)));
    }

    private FlattenRanges Searched(BlockInput input)
    {
        bool free = _scaled.HasNorm(input);
        IReadOnlyList<LinearWeights> linears = _block.Reading(input);
        float[] held = _statistics[input].Held;
        SearchedMatrix[] matrices = [.. linears.Select(l => new SearchedMatrix(_scaled.Weights(l), _outputs.Exact(l, held).MeanEnergy, _scaled.OutputFactors.GetValueOrDefault(l.Name)))];
        SearchOptions options = new(_bits, _bits == 4 ? _settings.Flatten.MaximumExpansion : 1, _settings.Flatten.FlattenWeights, free, _settings.Gptq ? _settings.WeightLoss : 1);
        FlattenRanges ranges = RangeSearch.Find(_statistics[input].Histograms, free ? null : _scaled.InputFactors.GetValueOrDefault(linears[0].Name), matrices, options, _outputs.Device.ColumnErrors, _cancellation);
        if (ranges.Factors is { } factors)
        {
            _scaled.Divide(input, factors);
        }

        return ranges;
    }

    /// <summary>SmoothQuant's factors and the box plot; at 8 bits flattened only where that lowers the output error by more than 5 %, and not where inputs are in groups.</summary>
    private FlattenRanges BoxPlotted(BlockInput input)
    {
        float[]? factors = null;
        if (_scaled.HasNorm(input))
        {
            _scaled.Smooth(input, _maxima[input], _settings.Alpha, equalLinears: true);
            factors = _scaled.InputFactors[_block.Reading(input)[0].Name];
        }

        FlattenPlan plan = FlattenPlan.Create(_maxima[input], _scaled.WeightMaxima(input), _bits, _settings.Flatten);
        if (_bits == 8)
        {
            FlattenPlan plain = FlattenPlan.Create(_maxima[input], _scaled.WeightMaxima(input), _bits, new FlattenOptions(_settings.Flatten.Beta, false, 1));
            plan = _settings.ActivationGroup == 0 && Compare(input, plain).Error > 1.05 * Compare(input, plan).Error ? plan : plain;
        }

        return new FlattenRanges(factors, plan);
    }
}
