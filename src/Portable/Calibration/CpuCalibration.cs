using System.Numerics.Tensors;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;

namespace Portable.Calibration;

/// <summary>Calibration on the managed CPU.</summary>
internal sealed class CpuCalibration : ICalibrationDevice
{
    /// <inheritdoc/>
    public Executor CreateExecutor() => new CpuExecutor();

    /// <inheritdoc/>
    public long FreeBytes => long.MaxValue;

    /// <inheritdoc/>
    public StoredRows CreateRows(int count) => new ManagedRows(new float[count]);

    /// <inheritdoc/>
    public StoredRows? TryCreateDeviceRows(int count) => null;

    /// <inheritdoc/>
    public IColumnSquares CreateSquares(int size) => new Squares(size);

    /// <inheritdoc/>
    public IGramSums CreateGram(int size) => new Gram(size);

    /// <inheritdoc/>
    public ICrossSums CreateCross(int rows, int columns) => new Cross(rows, columns);

    /// <inheritdoc/>
    public IColumnMaxima CreateMaxima(int size) => new Maxima(size);

    /// <inheritdoc/>
    public IMagnitudeCounts CreateMagnitudes(int size) => new Magnitudes(size);

    /// <inheritdoc/>
    public IInputRounding CreateRounding(float scale, float[] limits, float[]? factors) => new Rounding(scale, limits, factors);

    /// <inheritdoc/>
    public IColumnErrors ColumnErrors { get; } = new ColumnErrors();

    /// <inheritdoc/>
    public void Keep(Executor executor, DeviceInput input, DeviceActivation kept) => Keep(executor, ((CpuInput)input).Float!, kept);

    /// <inheritdoc/>
    public void Keep(Executor executor, DeviceActivation x, DeviceActivation kept)
    {
        Span<float> held = ((CpuActivation)x).Held;
        held.CopyTo(((CpuActivation)kept).Rows(held.Length / x.Columns));
    }

    /// <inheritdoc/>
    public void Subtract(Executor executor, DeviceActivation x, DeviceActivation kept)
    {
        Span<float> held = ((CpuActivation)x).Held, values = ((CpuActivation)kept).Rows(held.Length / x.Columns);
        TensorPrimitives.Subtract(values, held, values);
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> TrainingArithmetics => Arithmetics;

    /// <summary>What the managed CPU trains in.</summary>
    public static IReadOnlyList<string> Arithmetics { get; } = ["f32"];

    /// <inheritdoc/>
    public ITrainingDevice? CreateTraining(string arithmetic) => null;

    /// <inheritdoc/>
    public IOutputErrors? CreateErrors(int rows, float[]? factors) => null;

    /// <inheritdoc/>
    public IOutputComparison? CreateComparison(int rows, HistogramDivergence histograms, float[]? factors) => null;

    /// <inheritdoc/>
    public void Round(LinearWeights linear, WeightCodes codes, double[]? importance, GridKind search)
    {
        float[] weights = linear.ReadWeights();
        GridSearch.Replace(codes, weights, importance, search.Search);
        codes.Round(weights);
    }

    private static Span<float> Rows(DeviceInput input, int rows) => ((CpuInput)input).Float!.Rows(rows);

    private sealed class Maxima(int size) : IColumnMaxima
    {
        private readonly ChannelMaxima _maxima = new(size);

        public void Add(Executor executor, DeviceInput input, int rows) => _maxima.Add(Rows(input, rows));

        public void Add(Executor executor, DeviceActivation x, int rows) => _maxima.Add(((CpuActivation)x).Rows(rows));

        public float[] Read() => _maxima.Values;

        public void Dispose()
        {
        }
    }

    private sealed class Magnitudes(int size) : IMagnitudeCounts
    {
        private readonly MagnitudeHistograms _counts = new(size);

        public void Add(Executor executor, DeviceInput input, int rows) => _counts.Add(Rows(input, rows));

        public MagnitudeHistograms Read() => _counts;

        public void Dispose()
        {
        }
    }

    private sealed class Rounding(float scale, float[] limits, float[]? factors) : IInputRounding
    {
        private long _clipped;

        public void Round(Executor executor, DeviceActivation x, DeviceActivation exact, DeviceActivation seen, int rows)
        {
            Span<float> from = ((CpuActivation)x).Rows(rows), to = ((CpuActivation)exact).Rows(rows);
            if (factors is null)
            {
                from.CopyTo(to);
            }
            else
            {
                Smoothing.Scale(from, factors, divide: true, to);
            }

            _clipped += SeenInput.Round(to, limits, scale, ((CpuActivation)seen).Rows(rows));
        }

        public long ReadClipped() => _clipped;

        public void Dispose()
        {
        }
    }

    private sealed class Squares(int size) : IColumnSquares
    {
        private readonly double[] _sums = new double[size];

        public void Add(Executor executor, DeviceInput input, int rows)
        {
            ReadOnlySpan<float> values = Rows(input, rows);
            for (int start = 0; start < values.Length; start += size)
            {
                ReadOnlySpan<float> row = values.Slice(start, size);
                for (int k = 0; k < size; k++)
                {
                    _sums[k] += (double)row[k] * row[k];
                }
            }
        }

        public double[] Read() => _sums;

        public void Dispose()
        {
        }
    }

    private sealed class Cross(int rows, int columns) : ICrossSums
    {
        private readonly CrossMatrix _matrix = new(rows, columns);

        public double[] Values => _matrix.Values;

        public void Add(Executor executor, DeviceActivation x, DeviceInput y, int rows) => _matrix.Add(((CpuActivation)x).Rows(rows), Rows(y, rows), rows);

        public void Dispose()
        {
        }
    }

    private sealed class Gram(int size) : IGramSums
    {
        private readonly GramMatrix _matrix = new(size);

        public int Size => size;

        public void Add(Executor executor, DeviceInput input, int rows) => _matrix.Add(Rows(input, rows), rows);

        public double[] Diagonal() => [.. Enumerable.Range(0, size).Select(k => _matrix.Values[k * size + k])];

        public IColumnFactor Factorise(int[] order, double damping) => new Factor(_matrix.Values, Gptq.Factor(_matrix.Values, size, order, damping), order, damping);

        public void Dispose()
        {
        }
    }

    private sealed class Factor(double[] hessian, InverseFactor factor, int[] order, double damping) : IColumnFactor
    {
        public void Quantize(LinearWeights linear, WeightCodes codes, ColumnCompensation part)
        {
            float[] target = Target(linear.ReadWeights(), codes.Rows, part);
            if (part.Search is { } search)
            {
                GroupedGptq.Quantize(target, factor, order, codes, search.Search);
            }
            else
            {
                Gptq.Quantize(target, codes.Rows, factor.Size, factor, order, part.Columns is { } columns ? (_, column) => columns[column] : codes.Grid, codes.Codes, part.Rounding);
            }

            if (part.Descent > 0)
            {
                CodeDescent.Improve(target, hessian, damping, codes, part.Descent, part.Scales);
            }
        }

        public void Dispose()
        {
        }

        /// <summary>What is to be quantized: the weights, or those that come closest to the float model's outputs.</summary>
        private float[] Target(float[] weights, int rows, ColumnCompensation part)
        {
            if (part.Cross is not Cross { Values: var cross })
            {
                return weights;
            }

            double[] aim = part.Target == 1 ? cross : new double[cross.Length];
            if (part.Target != 1)
            {
                int columns = factor.Size;
                WorkerPool.Run(columns, row =>
                {
                    for (int i = row * columns; i < (row + 1) * columns; i++)
                    {
                        aim[i] = hessian[i] + part.Target * (cross[i] - hessian[i]);
                    }
                });
            }

            double[]? missing = part is { Share: > 0, Missing: Cross { Values: var r } } ? Array.ConvertAll(r, v => v * part.Share) : null;
            return TargetCorrection.Correct(weights, rows, factor.Size, aim, hessian, factor, order, damping, missing);
        }
    }
}
