using Portable.Execution;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Quantization;

namespace Portable.Calibration;

/// <summary>Calibration on the managed CPU.</summary>
internal sealed class CpuCalibration : ICalibrationDevice
{
    /// <inheritdoc/>
    public Executor CreateExecutor() => new CpuExecutor();

    /// <inheritdoc/>
    public IGramSums CreateGram(int size) => new Gram(size);

    /// <inheritdoc/>
    public IColumnMaxima CreateMaxima(int size) => new Maxima(size);

    /// <inheritdoc/>
    public void Keep(Executor executor, DeviceInput input, DeviceActivation kept)
    {
        CpuActivation rows = ((CpuInput)input).Float!;
        rows.Values.CopyTo(((CpuActivation)kept).Values, 0);
    }

    /// <inheritdoc/>
    public IReadOnlyList<string> TrainingArithmetics => ["f32"];

    /// <inheritdoc/>
    public ITrainingDevice? CreateTraining(string arithmetic) => null;

    private static ReadOnlySpan<float> Rows(DeviceInput input, int rows) => ((CpuInput)input).Float!.Rows(rows);

    private sealed class Maxima(int size) : IColumnMaxima
    {
        private readonly ChannelMaxima _maxima = new(size);

        public void Add(Executor executor, DeviceInput input, int rows) => _maxima.Add(Rows(input, rows));

        public float[] Read() => _maxima.Values;

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

        public IColumnFactor Factorise(int[] order, double damping) => new Factor(Gptq.Factor(_matrix.Values, size, order, damping), order);

        public void Dispose()
        {
        }
    }

    private sealed class Factor(InverseFactor factor, int[] order) : IColumnFactor
    {
        public void Quantize(float[] weights, int rows, Func<int, int, WeightGrid> grid, short[] codes, Rounding rounding) =>
            Gptq.Quantize(weights, rows, factor.Size, factor, order, grid, codes, rounding);

        public void Dispose()
        {
        }
    }
}
