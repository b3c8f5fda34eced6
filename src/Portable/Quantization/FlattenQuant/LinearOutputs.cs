using System.Numerics.Tensors;
using Portable.Calibration;
using Portable.Execution;
using Portable.Models;
using Portable.Quantization.Baselines;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Operations;

namespace Portable.Quantization.FlattenQuant;

/// <summary>What the linear layers of a block give for rows at hand, by the kernels that serve them; several threads may ask, one at a time is served.</summary>
/// <param name="device">Where they run.</param>
internal sealed class LinearOutputs(ICalibrationDevice device) : IDisposable
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, ExactOutputs> _exact = [];
    private readonly Dictionary<float[], StoredRows> _rows = new(ReferenceEqualityComparer.Instance);
    private readonly Dictionary<string, DeviceLinear> _linears = [];
    private readonly Dictionary<int, DeviceInput> _inputs = [];
    private readonly ActivationPool _pool = new(device.CreateExecutor());
    private StoredRows? _left;
    private float[][] _read = [[], []];

    /// <summary>Where they run.</summary>
    public ICalibrationDevice Device => device;

    private Executor Executor => _pool.Executor;

    /// <summary>Outputs of a float layer for its inputs, which are the same in every call; without its bias.</summary>
    public ExactOutputs Exact(LinearWeights linear, float[] x)
    {
        lock (_lock)
        {
            if (!_exact.TryGetValue(linear.Name, out ExactOutputs? known))
            {
                known = Measure(linear, x);
                _exact.Add(linear.Name, known);
            }

            return known;
        }
    }

    /// <summary>Compares a quantized layer's outputs with the float one's, without their bias.</summary>
    /// <param name="linear">The float layer.</param>
    /// <param name="quantized">The quantized one.</param>
    /// <param name="x">Tokens × K, the same array in every call.</param>
    /// <param name="inputFactors">What the quantized one's input is divided by, or null.</param>
    /// <param name="outputFactors">What its outputs are multiplied by, or null.</param>
    /// <param name="histograms">Both are counted here.</param>
    /// <returns>Σ (ŷ − y)² and Σ y².</returns>
    public (double Difference, double Norm) Compare(LinearWeights linear, LinearWeights quantized, float[] x, float[]? inputFactors, float[]? outputFactors, HistogramDivergence histograms)
    {
        using Lock.Scope served = _lock.EnterScope();
        int columns = linear.InputFeatures(), tokens = x.Length / columns, n = linear.OutputFeatures;
        double[] rows = new double[2 * tokens];
        using IOutputComparison? comparison = device.CreateComparison(Executor.MaximumRows, histograms, outputFactors);
        if (comparison is null)
        {
            CompareHere(linear, quantized, x, inputFactors, outputFactors, histograms, rows);
        }
        else
        {
            Executor executor = Executor;
            DeviceLinear exact = Uploaded(linear), approximate = executor.Upload([quantized with { Bias = null }]);
            DeviceActivation values = Activation(columns, 0), scaled = Activation(columns, 1), unused = Activation(columns, 2), y = Activation(n, 3), approximateY = Activation(n, 4);
            DeviceInput floats = Input(linear), codes = executor.CreateInput(InputSpec.Of(quantized, columns));
            using IInputRounding? division = inputFactors is null ? null : device.CreateRounding(1, new float[columns], inputFactors);
            ForEachBatch(tokens, (start, count) =>
            {
                executor.Write(values, Rows(x), start * columns, count * columns);
                executor.Prepare(values, [floats]);
                executor.Linear(floats, exact, y, 0);
                division?.Round(executor, values, scaled, unused, count);
                executor.Prepare(division is null ? values : scaled, [codes]);
                executor.Linear(codes, approximate, approximateY, 0);
                comparison.Compare(executor, y, approximateY);
            }, (start, count) => comparison.Read(count).CopyTo(rows, 2 * start));
            comparison.AddCounts(histograms);
        }

        double difference = 0, norm = 0;
        for (int row = 0; row < tokens; row++)
        {
            difference += rows[2 * row];
            norm += rows[(2 * row) + 1];
        }

        return (difference, norm);
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Executor.Dispose();
        _left?.Dispose();
        foreach (StoredRows rows in _rows.Values)
        {
            rows.Dispose();
        }
    }

    private void CompareHere(LinearWeights linear, LinearWeights quantized, float[] x, float[]? inputFactors, float[]? outputFactors, HistogramDivergence histograms, double[] rows)
    {
        int n = linear.OutputFeatures;
        float[] exact = Exact(linear, x).Values!;
        float[] approximate = Of(quantized, inputFactors is null ? x : Smoothing.Scale(x, inputFactors, divide: true), linear.InputFeatures());
        if (outputFactors is not null)
        {
            Smoothing.Scale(approximate, outputFactors, divide: false, approximate);
        }

        histograms.Add(exact, approximate);
        RowRanges.Run(rows.Length / 2, n, (first, count) =>
        {
            for (int row = first; row < first + count; row++)
            {
                (rows[2 * row], rows[(2 * row) + 1]) = Errors(exact.AsSpan(row * n, n), approximate.AsSpan(row * n, n));
            }
        });
    }

    /// <summary>Σ (ŷ − y)² and Σ y².</summary>
    private static (double Difference, double Norm) Errors(ReadOnlySpan<float> exact, ReadOnlySpan<float> approximate)
    {
        double difference = 0, norm = 0;
        for (int i = 0; i < exact.Length; i++)
        {
            double e = approximate[i] - (double)exact[i];
            difference += e * e;
            norm += (double)exact[i] * exact[i];
        }

        return (difference, norm);
    }

    private ExactOutputs Measure(LinearWeights linear, float[] x)
    {
        int columns = linear.InputFeatures(), tokens = x.Length / columns, n = linear.OutputFeatures;
        using IOutputComparison? compares = device.CreateComparison(1, new HistogramDivergence(0, 1), null);
        if (compares is null)
        {
            float[] all = Of(linear, x, columns);
            return new ExactOutputs(all, Energy(0, all) / tokens, TensorPrimitives.Min<float>(all), TensorPrimitives.Max<float>(all));
        }

        // A device computes them again when they are compared: no more than two batches are kept of them here. Their squares are added one after the
        // other, which takes longer than the device needs for the next batch.
        double energy = 0;
        float minimum = float.PositiveInfinity, maximum = float.NegativeInfinity;
        DeviceLinear uploaded = Uploaded(linear);
        DeviceActivation values = Activation(columns, 0), y = Activation(n, 3);
        DeviceInput input = Input(linear);
        int most = Math.Min(Executor.MaximumRows, tokens) * n;
        if (_read[0].Length < most)
        {
            _left?.Dispose();
            (_left, _read) = (device.CreateRows(most), [new float[most], new float[most]]);
        }

        Lock extremes = new();
        using OrderedWork aside = new(concurrent: true);
        ForEachBatch(tokens, (start, count) =>
        {
            Executor.Write(values, Rows(x), start * columns, count * columns);
            Executor.Prepare(values, [input]);
            Executor.Linear(input, uploaded, y, 0);
            Executor.Leave(y, _left!, 0, count * n);
        }, (start, count) =>
        {
            float[] read = _read[start / Executor.MaximumRows % 2];
            RowRanges.Run(count, n, (first, some) =>
            {
                Span<float> rows = read.AsSpan(first * n, some * n);
                _left!.Read(first * n, rows);
                (float least, float largest) = (TensorPrimitives.Min<float>(rows), TensorPrimitives.Max<float>(rows));
                lock (extremes)
                {
                    (minimum, maximum) = (MathF.Min(minimum, least), MathF.Max(maximum, largest));
                }
            });
            aside.Run(() => energy = Energy(energy, read.AsSpan(0, count * n)));
        });
        aside.Finish();
        return new ExactOutputs(null, energy / tokens, minimum, maximum);
    }

    private static double Energy(double sum, ReadOnlySpan<float> y)
    {
        foreach (float value in y)
        {
            sum += (double)value * value;
        }

        return sum;
    }

    /// <summary>Outputs of a layer without its bias, tokens × N.</summary>
    private float[] Of(LinearWeights linear, float[] x, int columns)
    {
        Executor executor = Executor;
        DeviceLinear uploaded = executor.Upload([linear with { Bias = null }]);
        DeviceActivation rows = Activation(columns, 0), results = Activation(linear.OutputFeatures, 3);
        DeviceInput input = executor.CreateInput(InputSpec.Of(linear, columns));
        int tokens = x.Length / columns;
        float[] y = new float[tokens * linear.OutputFeatures];
        ForEachBatch(tokens, (start, count) =>
        {
            executor.Write(rows, x.AsSpan(start * columns, count * columns));
            executor.Prepare(rows, [input]);
            executor.Linear(input, uploaded, results, 0);
        }, (start, count) => executor.Read(results, y.AsSpan(start * linear.OutputFeatures, count * linear.OutputFeatures)));
        return y;
    }

    private void ForEachBatch(int tokens, Action<int, int> record, Action<int, int> ended)
    {
        for (int start = 0; start < tokens; start += Executor.MaximumRows)
        {
            int count = Math.Min(Executor.MaximumRows, tokens - start);
            Executor.Begin(new Batch(new int[count], new int[count], [.. Enumerable.Range(0, count)], []));
            record(start, count);
            Executor.End();
            ended(start, count);
        }
    }

    private DeviceLinear Uploaded(LinearWeights linear) =>
        _linears.TryGetValue(linear.Name, out DeviceLinear? known) ? known : _linears[linear.Name] = Executor.Upload([linear with { Bias = null }]);

    private DeviceActivation Activation(int columns, int use) => _pool.Activation(columns, use);

    /// <summary>The input of float layers of as many columns.</summary>
    private DeviceInput Input(LinearWeights linear)
    {
        int columns = linear.InputFeatures();
        return _inputs.TryGetValue(columns, out DeviceInput? known) ? known : _inputs[columns] = Executor.CreateInput(InputSpec.Of(linear, columns));
    }

    /// <summary>Inputs where the device reads them by itself.</summary>
    private StoredRows Rows(float[] x)
    {
        if (!_rows.TryGetValue(x, out StoredRows? rows))
        {
            rows = device.TryCreateDeviceRows(x.Length) ?? device.CreateRows(x.Length);
            rows.Write(0, x);
            _rows.Add(x, rows);
        }

        return rows;
    }
}

/// <summary>What a float layer gives.</summary>
/// <param name="Values">Tokens × N; null where a device compares them.</param>
/// <param name="MeanEnergy">Σ over outputs of their mean square.</param>
/// <param name="Minimum">The smallest.</param>
/// <param name="Maximum">The largest.</param>
internal sealed record ExactOutputs(float[]? Values, double MeanEnergy, float Minimum, float Maximum);
