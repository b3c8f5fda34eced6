using Portable.Calibration;
using Portable.Checkpoints.Format;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.BitPlanes;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;

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
        using IOutputErrors? plain = stream?.Device.CreateErrors(stream.LargestBatch, null);
        if (plain is not null)
        {
            ActivationPool? memory = null;
            try
            {
                stream!.Advance(exact, (executor, input, values, rows) =>
                {
                    memory ??= new ActivationPool(executor);
                    Each(input, memory, comparison => comparison.Add(stream, plain, values, rows));
                });
            }
            finally
            {
                foreach (OutputComparison comparison in outputs.Values)
                {
                    comparison.Dispose();
                }
            }
        }
        else if (stream is not null)
        {
            using Executor executor = stream.Device.CreateExecutor();
            ActivationPool memory = new(executor);
            stream.Advance(exact, (input, values, rows) =>
            {
                float[] copy = values.ToArray();
                Each(input, memory, comparison => comparison.Add(copy, rows));
            });
        }

        void Each(BlockInput input, ActivationPool memory, Action<OutputComparison> compare)
        {
            foreach (LinearWeights linear in exact.Reading(input))
            {
                if (!outputs.TryGetValue(linear.Name, out OutputComparison? comparison))
                {
                    comparison = new OutputComparison(memory, linear, layers[linear.Name], quantized);
                    outputs.Add(linear.Name, comparison);
                }

                compare(comparison);
            }
        }

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
    public static double WeightError(float[] weights, QuantizedLinear quantized, float[]? inputFactors = null, float[]? outputFactors = null)
    {
        int rows = quantized.OutputFeatures, columns = weights.Length / rows;
        GroupLayout layout = quantized.Weights.Layout;
        short[] codes = new short[rows * layout.Columns];
        BitPacking.Unpack(quantized.Weights, codes);
        ColumnMap? map = quantized.Input.Map;
        (double Difference, double Norm)[] sums = new (double, double)[rows];
        WorkerPool.Run(rows, n =>
        {
            double[] decoded = new double[columns];
            for (int j = 0; j < layout.Columns; j++)
            {
                // A channel's weight is the sum of its weight digits, seen once: beside the first activation digit.
                if (map is null || map.Offset[j] == 0)
                {
                    int group = n * quantized.ScaleGroups.Count + quantized.ScaleGroups.Of(j / layout.GroupSize);
                    decoded[map?.Source[j] ?? j] += (double)quantized.Scales[group] * (codes[n * layout.Columns + j] - (quantized.ZeroPoints?[group] ?? 0));
                }
            }

            double difference = 0, norm = 0;
            for (int k = 0; k < columns; k++)
            {
                double exact = weights[n * columns + k], e = decoded[k] / (inputFactors?[k] ?? 1) * (outputFactors?[n] ?? 1) - exact;
                difference += e * e;
                norm += exact * exact;
            }

            sums[n] = (difference, norm);
        });
        return Ratio(sums.Sum(s => s.Difference), sums.Sum(s => s.Norm));
    }

    private static double Ratio(double difference, double norm) => norm > 0 ? Math.Sqrt(difference / norm) : Math.Sqrt(difference);

    /// <summary>A number of a report as it is stored.</summary>
    public static double SensibleDigits(double value) => FlexQ.SensitivityTable.Rounded(value);

    /// <summary>‖Y−Ŷ‖² and ‖Y‖² of one linear.</summary>
    private sealed class OutputComparison : IDisposable
    {
        private readonly Executor _executor;
        private readonly DeviceLinear _exact, _approximate;
        private readonly DeviceInput _floats, _codes;
        private readonly DeviceActivation _x, _scaled, _y, _approximateY;
        private readonly float[]? _inputFactors, _outputFactors;
        private IOutputErrors? _own;
        private IInputRounding? _division;
        private float[] _values = [], _approximateValues = [];
        private double _difference, _norm;

        public OutputComparison(ActivationPool memory, LinearWeights exact, LinearWeights quantized, QuantizedBlock block)
        {
            int columns = exact.InputFeatures();
            _executor = memory.Executor;
            (_exact, _approximate) = (_executor.Upload([exact]), _executor.Upload([quantized]));
            (_floats, _codes) = (_executor.CreateInput(InputSpec.Of(exact, columns)), _executor.CreateInput(InputSpec.Of(quantized, columns)));
            (_x, _scaled) = (memory.Activation(columns, 0), memory.Activation(columns, 1));
            (_y, _approximateY) = (memory.Activation(exact.OutputFeatures, 2), memory.Activation(exact.OutputFeatures, 3));
            (_inputFactors, _outputFactors) = (block.InputFactors.GetValueOrDefault(exact.Name), block.OutputFactors.GetValueOrDefault(exact.Name));
        }

        public double RelativeError => Ratio(_difference, _norm);

        /// <summary>Compares on rows that are where the executor computes; inputs of transformed layers are divided there.</summary>
        public void Add(BlockStream stream, IOutputErrors plain, DeviceActivation x, int rows)
        {
            IOutputErrors errors = _outputFactors is null ? plain : _own ??= stream.Device.CreateErrors(stream.LargestBatch, _outputFactors)!;
            _division ??= _inputFactors is null ? null : stream.Device.CreateRounding(1, new float[x.Columns], _inputFactors);
            Begin(rows);
            _executor.Prepare(x, [_floats]);
            _executor.Linear(_floats, _exact, _y, 0);
            _division?.Round(_executor, x, _scaled, _x, rows);
            _executor.Prepare(_division is null ? x : _scaled, [_codes]);
            _executor.Linear(_codes, _approximate, _approximateY, 0);
            errors.Compare(_executor, _y, _approximateY);
            _executor.End();
            double[] found = errors.Read(rows);
            for (int row = 0; row < rows; row++)
            {
                _difference += found[2 * row];
                _norm += found[2 * row + 1];
            }
        }

        public void Dispose()
        {
            _own?.Dispose();
            _division?.Dispose();
        }

        private void Begin(int rows) => _executor.Begin(new Batch(new int[rows], new int[rows], [.. Enumerable.Range(0, rows)], []));

        public void Add(ReadOnlySpan<float> x, int rows)
        {
            int width = _y.Columns, count = rows * width;
            Begin(rows);
            _executor.Write(_x, x);
            _executor.Write(_scaled, _inputFactors is null ? x : Smoothing.Scale(x, _inputFactors, divide: true));
            _executor.Prepare(_x, [_floats]);
            _executor.Linear(_floats, _exact, _y, 0);
            _executor.Prepare(_scaled, [_codes]);
            _executor.Linear(_codes, _approximate, _approximateY, 0);
            _executor.End();
            (float[] y, float[] approximate) = (Grown(ref _values, count), Grown(ref _approximateValues, count));
            _executor.Read(_y, y.AsSpan(0, count));
            _executor.Read(_approximateY, approximate.AsSpan(0, count));
            (double Difference, double Norm)[] sums = new (double, double)[rows];
            WorkerPool.Run(rows, row =>
            {
                double difference = 0, norm = 0;
                for (int i = row * width, n = 0; n < width; i++, n++)
                {
                    double exact = y[i], e = (double)approximate[i] * (_outputFactors?[n] ?? 1) - exact;
                    difference += e * e;
                    norm += exact * exact;
                }

                sums[row] = (difference, norm);
            });
            foreach ((double difference, double norm) in sums)
            {
                _difference += difference;
                _norm += norm;
            }
        }

        private static float[] Grown(ref float[] values, int count)
        {
            Array.Resize(ref values, Math.Max(values.Length, count));
            return values;
        }
    }
}
