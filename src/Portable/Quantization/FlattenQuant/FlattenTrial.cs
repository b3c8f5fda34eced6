using Portable.Models;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlattenQuant;

/// <summary>One smoothing of a block, tried on held-out inputs: what each fused group loses at a width, weights rounded to nearest.</summary>
internal sealed class FlattenTrial
{
    private readonly BlockWeights _block;
    private readonly FlattenSettings _settings;
    private readonly ScaledBlock _scaled;
    private readonly Dictionary<BlockInput, float[]> _maxima;
    private readonly Dictionary<BlockInput, float[]> _inputs;
    private readonly Dictionary<string, float[]> _exact = [];

    /// <summary>Smooths the block.</summary>
    /// <param name="block">Float weights.</param>
    /// <param name="config">Shape of the model.</param>
    /// <param name="settings">Strength and β.</param>
    /// <param name="maxima">Channel maxima before smoothing.</param>
    /// <param name="inputs">Inputs of the float block, tokens × K.</param>
    /// <param name="folded">Inputs of o and down to smooth too.</param>
    public FlattenTrial(BlockWeights block, ModelConfig config, FlattenSettings settings, IReadOnlyDictionary<BlockInput, float[]> maxima, Dictionary<BlockInput, float[]> inputs, IReadOnlySet<BlockInput> folded)
    {
        (_block, _settings, _inputs) = (block, settings, inputs);
        _maxima = maxima.ToDictionary(m => m.Key, m => (float[])m.Value.Clone());
        _scaled = settings.Smooth(block, config, _maxima, folded.Contains);
    }

    /// <summary>KL of the outputs' histograms, and ‖Y−Ŷ‖/‖Y‖, in the units of the float model.</summary>
    /// <param name="input">The group.</param>
    /// <param name="bits">4 or 8.</param>
    /// <param name="flatten">False: plain per-tensor ranges.</param>
    public (double Divergence, double Error) Compare(BlockInput input, int bits, bool flatten = true)
    {
        IReadOnlyList<LinearWeights> linears = _block.Reading(input);
        FlattenPlan plan = FlattenPlan.Create(_maxima[input], _scaled.WeightMaxima(input), bits, flatten ? _settings.Flatten : new FlattenOptions(_settings.Flatten.Beta, false, 1));
        float[] x = _scaled.InputFactors.TryGetValue(linears[0].Name, out float[]? factors) ? Smoothing.Scale(_inputs[input], factors, divide: true) : _inputs[input];
        float[][] exact = [.. linears.Select(l => Exact(l, _inputs[input]))];
        HistogramDivergence histograms = new(exact.Min(y => y.Min()), exact.Max(y => y.Max()));
        double difference = 0, norm = 0;
        foreach ((int matrix, LinearWeights linear) in linears.Index())
        {
            float[] y = exact[matrix];
            QuantizedLinear layer = FlattenedBlock.RoundToNearest(plan, matrix, _scaled.Weights(linear), linear.OutputFeatures).Pack(null);
            float[] approximate = FlattenedBlock.Outputs(x, layer, _maxima[input].Length);
            if (_scaled.OutputFactors.TryGetValue(linear.Name, out float[]? divided))
            {
                approximate = Smoothing.Scale(approximate, divided, divide: false);
            }

            histograms.Add(y, approximate);
            for (int i = 0; i < y.Length; i++)
            {
                double e = approximate[i] - (double)y[i];
                difference += e * e;
                norm += (double)y[i] * y[i];
            }
        }

        return (histograms.Divergence(), Math.Sqrt(difference / Math.Max(norm, double.Epsilon)));
    }

    private float[] Exact(LinearWeights linear, float[] x)
    {
        if (!_exact.TryGetValue(linear.Name, out float[]? y))
        {
            int columns = linear.InputFeatures(), tokens = x.Length / columns;
            y = new float[tokens * linear.OutputFeatures];
            FloatGemm.Multiply(x, linear.ReadWeights(), y, tokens, linear.OutputFeatures, columns);
            _exact.Add(linear.Name, y);
        }

        return y;
    }
}
