using Portable.Calibration;
using Portable.Checkpoints.Format;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Quantization.Runs;

/// <summary>
/// Measures quantized blocks against float ones: weight errors, and output errors on the inputs that the float model gives,
/// the same for every method. All sums run in double in a fixed order.
/// </summary>
/// <param name="stream">A stream through the float model over the report windows, or null without calibration; moved on by <see cref="Report"/>.</param>
internal sealed class LayerReporter(BlockStream? stream)
{
    /// <summary>Reports one block and moves the stream behind it.</summary>
    public IReadOnlyList<LayerReport> Report(BlockWeights exact, QuantizedBlock quantized)
    {
        Dictionary<string, LinearWeights> layers = quantized.Weights.Linears.ToDictionary(l => l.Name);
        Dictionary<string, OutputComparison> outputs = [];
        stream?.Advance(exact, (input, values, rows) =>
        {
            foreach (LinearWeights linear in exact.Reading(input))
            {
                if (!outputs.TryGetValue(linear.Name, out OutputComparison? comparison))
                {
                    comparison = new OutputComparison(linear, layers[linear.Name].Quantized!, quantized, rows);
                    outputs.Add(linear.Name, comparison);
                }

                comparison.Add(values, rows);
            }
        });
        return
        [
            .. exact.Linears.Select(linear => new LayerReport(
                linear.Name,
                layers[linear.Name].Scheme!,
                SensibleDigits(WeightError(linear.ReadWeights(), layers[linear.Name].Quantized!, quantized.InputFactors.GetValueOrDefault(linear.Name), quantized.OutputFactors.GetValueOrDefault(linear.Name))),
                outputs.TryGetValue(linear.Name, out OutputComparison? comparison) ? SensibleDigits(comparison.RelativeError) : null,
                quantized.Details.GetValueOrDefault(linear.Name) ?? new Dictionary<string, double>())),
        ];
    }

    /// <summary>Moves the stream behind a block that was reported in an earlier run.</summary>
    public void Skip(BlockWeights exact) => stream?.Advance(exact);

    /// <summary>‖Ŵ−W‖/‖W‖: the decoded weights, digits of one channel added, equivalent transformations undone.</summary>
    public static double WeightError(ReadOnlySpan<float> weights, QuantizedLinear quantized, float[]? inputFactors = null, float[]? outputFactors = null)
    {
        int rows = quantized.OutputFeatures, columns = weights.Length / rows;
        GroupLayout layout = quantized.Weights.Layout;
        short[] codes = new short[rows * layout.Columns];
        BitPacking.Unpack(quantized.Weights, codes);
        ColumnMap? map = quantized.Input.Map;
        double[] decoded = new double[columns];
        double difference = 0, norm = 0;
        for (int n = 0; n < rows; n++)
        {
            Array.Clear(decoded);
            for (int j = 0; j < layout.Columns; j++)
            {
                // A channel's weight is the sum of its weight digits, seen once: beside the first activation digit.
                if (map is null || map.Offset[j] == 0)
                {
                    int group = n * quantized.ScaleGroups.Count + quantized.ScaleGroups.Of(j / layout.GroupSize);
                    decoded[map?.Source[j] ?? j] += (double)quantized.Scales[group] * (codes[n * layout.Columns + j] - (quantized.ZeroPoints?[group] ?? 0));
                }
            }

            for (int k = 0; k < columns; k++)
            {
                double exact = weights[n * columns + k], e = decoded[k] / (inputFactors?[k] ?? 1) * (outputFactors?[n] ?? 1) - exact;
                difference += e * e;
                norm += exact * exact;
            }
        }

        return Ratio(difference, norm);
    }

    private static double Ratio(double difference, double norm) => norm > 0 ? Math.Sqrt(difference / norm) : Math.Sqrt(difference);

    /// <summary>A number of a report as it is stored.</summary>
    public static double SensibleDigits(double value) => FlexQ.SensitivityTable.Rounded(value);

    /// <summary>‖Y−Ŷ‖² and ‖Y‖² of one linear.</summary>
    private sealed class OutputComparison(LinearWeights exact, QuantizedLinear quantized, QuantizedBlock block, int capacity)
    {
        private readonly QuantizedActivations _codes = new(capacity, quantized.Weights.Layout, quantized.Input.Format, quantized.Input.GroupSize);
        private readonly float[] _exact = new float[capacity * quantized.OutputFeatures];
        private readonly float[] _approximate = new float[capacity * quantized.OutputFeatures];
        private readonly float[]? _inputFactors = block.InputFactors.GetValueOrDefault(exact.Name);
        private readonly float[]? _outputFactors = block.OutputFactors.GetValueOrDefault(exact.Name);
        private double _difference;
        private double _norm;

        public double RelativeError => Ratio(_difference, _norm);

        public void Add(ReadOnlySpan<float> x, int rows)
        {
            int columns = x.Length / rows, count = rows * quantized.OutputFeatures;
            FloatLinear.Multiply(x, rows, exact, _exact, quantized.OutputFeatures);
            ActivationQuantization.Quantize(_inputFactors is null ? x : Smoothing.Scale(x, _inputFactors, divide: true), rows, columns, quantized.Input, _codes);
            BitMatmul.Multiply(_codes, quantized, _approximate, quantized.OutputFeatures);
            for (int i = 0; i < count; i++)
            {
                double y = _exact[i], e = (double)_approximate[i] * (_outputFactors?[i % quantized.OutputFeatures] ?? 1) - y;
                _difference += e * e;
                _norm += y * y;
            }
        }
    }
}
