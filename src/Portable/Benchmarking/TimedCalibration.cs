using System.Diagnostics;
using Portable.Calibration;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Quantization;

namespace Portable.Benchmarking;

/// <summary>A calibration device with the time of what it does between the passes through blocks.</summary>
/// <param name="inner">The device.</param>
/// <param name="prepare">Told of each executor before it is used.</param>
/// <param name="train">Told of the training device before it is used, or null.</param>
internal sealed class TimedCalibration(ICalibrationDevice inner, Action<Executor> prepare, Action<ITrainingDevice>? train = null) : ICalibrationDevice
{
    private readonly Dictionary<string, double> _seconds = [];

    /// <summary>Seconds by what was done.</summary>
    public IReadOnlyDictionary<string, double> Seconds => _seconds;

    /// <inheritdoc/>
    public Executor CreateExecutor()
    {
        Executor executor = inner.CreateExecutor();
        prepare(executor);
        return executor;
    }

    /// <inheritdoc/>
    public long FreeBytes => inner.FreeBytes;

    /// <inheritdoc/>
    public StoredRows CreateRows(int count) => inner.CreateRows(count);

    /// <inheritdoc/>
    public StoredRows? TryCreateDeviceRows(int count) => inner.TryCreateDeviceRows(count);

    /// <inheritdoc/>
    public IColumnSquares CreateSquares(int size) => inner.CreateSquares(size);

    /// <inheritdoc/>
    public ICrossSums CreateCross(int rows, int columns) => inner.CreateCross(rows, columns);

    /// <inheritdoc/>
    public IGramSums CreateGram(int size) => new Gram(this, inner.CreateGram(size));

    /// <inheritdoc/>
    public IColumnMaxima CreateMaxima(int size) => inner.CreateMaxima(size);

    /// <inheritdoc/>
    public IMagnitudeCounts CreateMagnitudes(int size) => inner.CreateMagnitudes(size);

    /// <inheritdoc/>
    public IInputRounding CreateRounding(float scale, float[] limits, float[]? factors) => inner.CreateRounding(scale, limits, factors);

    /// <inheritdoc/>
    public IColumnErrors ColumnErrors => new Errors(this, inner.ColumnErrors);

    /// <inheritdoc/>
    public void Keep(Executor executor, DeviceInput input, DeviceActivation kept) => inner.Keep(executor, input, kept);

    /// <inheritdoc/>
    public IReadOnlyList<string> TrainingArithmetics => inner.TrainingArithmetics;

    /// <inheritdoc/>
    public ITrainingDevice? CreateTraining(string arithmetic)
    {
        ITrainingDevice? training = inner.CreateTraining(arithmetic);
        if (training is not null)
        {
            train?.Invoke(training);
        }

        return training;
    }

    /// <inheritdoc/>
    public void Keep(Executor executor, DeviceActivation x, DeviceActivation kept) => inner.Keep(executor, x, kept);

    /// <inheritdoc/>
    public void Subtract(Executor executor, DeviceActivation x, DeviceActivation kept) => inner.Subtract(executor, x, kept);

    /// <inheritdoc/>
    public IOutputErrors? CreateErrors(int rows, float[]? factors) => inner.CreateErrors(rows, factors);

    /// <inheritdoc/>
    public IOutputComparison? CreateComparison(int rows, HistogramDivergence histograms, float[]? factors) => inner.CreateComparison(rows, histograms, factors);

    /// <inheritdoc/>
    public void Round(LinearWeights linear, WeightCodes codes, double[]? importance, GridKind search) => Time("grids", () => inner.Round(linear, codes, importance, search));

    /// <summary>Forgets what was measured.</summary>
    public void Reset()
    {
        lock (_seconds)
        {
            _seconds.Clear();
        }
    }

    /// <summary>Adds the time of something else.</summary>
    public void Time(string what, Action work) => Time(what, () =>
    {
        work();
        return 0;
    });

    private T Time<T>(string what, Func<T> work)
    {
        long begun = Stopwatch.GetTimestamp();
        T result = work();
        lock (_seconds)
        {
            _seconds[what] = _seconds.GetValueOrDefault(what) + Stopwatch.GetElapsedTime(begun).TotalSeconds;
        }

        return result;
    }

    private sealed class Errors(TimedCalibration owner, IColumnErrors inner) : IColumnErrors
    {
        public ErrorTable[] Tabulate(ColumnsToTabulate matrix, double[] energies, CancellationToken cancellation) => owner.Time("errors of columns", () => inner.Tabulate(matrix, energies, cancellation));
    }

    private sealed class Gram(TimedCalibration owner, IGramSums inner) : IGramSums
    {
        public int Size => inner.Size;

        public void Add(Executor executor, DeviceInput input, int rows) => inner.Add(executor, input, rows);

        public double[] Diagonal() => inner.Diagonal();

        public IColumnFactor Factorise(int[] order, double damping) => new Factor(owner, owner.Time("factors", () => inner.Factorise(order, damping)));

        public void Dispose() => inner.Dispose();
    }

    private sealed class Factor(TimedCalibration owner, IColumnFactor inner) : IColumnFactor
    {
        public void Quantize(LinearWeights linear, WeightCodes codes, ColumnCompensation part) => owner.Time("columns", () => inner.Quantize(linear, codes, part));

        public void Dispose() => inner.Dispose();
    }
}
