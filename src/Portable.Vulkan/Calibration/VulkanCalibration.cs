using Portable.Calibration;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Quantization;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Model;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;
using Portable.Vulkan.Training;

namespace Portable.Vulkan.Calibration;

/// <summary>Calibration on a Vulkan device, to the CPU's bits.</summary>
/// <param name="gpu">The device.</param>
/// <param name="check">What its self-check found.</param>
/// <param name="trusted">Whether its algebra is not compared with the CPU's before it is first used.</param>
internal sealed class VulkanCalibration(VulkanContext gpu, SelfCheckResult check, bool trusted = false) : ICalibrationDevice
{
    // What a block of a large model may need beside the hidden states.
    private const long SpareBytes = 32L << 30;
    private const long SliceBytes = 1L << 28;

    /// <inheritdoc/>
    public Executor CreateExecutor() => new VulkanExecutor(gpu, check, ownsContext: false, VulkanExecutor.PromptRows(gpu.Facts));

    /// <inheritdoc/>
    public long FreeBytes => gpu.FreeBytes;

    /// <inheritdoc/>
    public StoredRows CreateRows(int count) => new VulkanRows(gpu, count, resident: false);

    /// <inheritdoc/>
    public StoredRows? TryCreateDeviceRows(int count) =>
        gpu.Facts.Kind == VulkanDeviceKind.Discrete && FreeBytes - (sizeof(float) * (long)count) > SpareBytes ? new VulkanRows(gpu, count, resident: true) : null;

    /// <inheritdoc/>
    public IColumnSquares CreateSquares(int size) => new Squares(gpu, new VulkanSums(gpu, 1, size));

    /// <inheritdoc/>
    public IGramSums CreateGram(int size)
    {
        RequireTrusted();
        return new GramSums(gpu, size);
    }

    /// <inheritdoc/>
    public ICrossSums CreateCross(int rows, int columns) => new CrossSums(gpu, rows, columns);

    /// <inheritdoc/>
    public IColumnMaxima CreateMaxima(int size) => new Maxima(new VulkanMaxima(gpu, size));

    /// <inheritdoc/>
    public IMagnitudeCounts CreateMagnitudes(int size) => new Magnitudes(gpu, new VulkanCounts(gpu, size * MagnitudeHistograms.BinCount));

    /// <inheritdoc/>
    public IInputRounding CreateRounding(float scale, float[] limits, float[]? factors)
    {
        RequireTrusted();
        return new Rounding(gpu, new VulkanRounding(gpu, scale, limits, factors));
    }

    /// <inheritdoc/>
    public IColumnErrors ColumnErrors
    {
        get
        {
            RequireTrusted();
            return new VulkanColumnErrors(gpu);
        }
    }

    /// <inheritdoc/>
    public void Keep(Executor executor, DeviceInput input, DeviceActivation kept) => ((VulkanExecutor)executor).Keep(input, kept);

    /// <inheritdoc/>
    public IReadOnlyList<string> TrainingArithmetics => ArithmeticsOf(gpu.Facts);

    /// <summary>What blocks can be trained in on a device, the fastest first: the matrices of a software device are loops. Empty where nothing calibrates, for want of f64.</summary>
    /// <param name="facts">The device.</param>
    public static IReadOnlyList<string> ArithmeticsOf(VulkanDeviceFacts facts) => !facts.ShaderFloat64 ? []
        : MatrixProducts.TileOf(facts) is null ? [OrderedProducts.Arithmetic]
        : facts.Kind == VulkanDeviceKind.Cpu ? [OrderedProducts.Arithmetic, MatrixProducts.Arithmetic]
        : [MatrixProducts.Arithmetic, OrderedProducts.Arithmetic];

    /// <inheritdoc/>
    public ITrainingDevice? CreateTraining(string arithmetic) => new VulkanTraining(gpu, arithmetic == MatrixProducts.Arithmetic ? new MatrixProducts(gpu) : new OrderedProducts(gpu));

    /// <inheritdoc/>
    public void Keep(Executor executor, DeviceActivation x, DeviceActivation kept) => ((VulkanExecutor)executor).Keep(x, kept);

    /// <inheritdoc/>
    public void Subtract(Executor executor, DeviceActivation x, DeviceActivation kept) => ((VulkanExecutor)executor).Subtract(x, kept);

    /// <inheritdoc/>
    public IOutputErrors? CreateErrors(int rows, float[]? factors) => new Errors(gpu, new VulkanSums(gpu, rows, 2), factors is null ? null : gpu.Allocate<float>(factors));

    /// <inheritdoc/>
    public IOutputComparison? CreateComparison(int rows, HistogramDivergence histograms, float[]? factors)
    {
        RequireTrusted();
        return new Comparison(gpu, new Errors(gpu, new VulkanSums(gpu, rows, 2), null), new VulkanOutputCounts(gpu, histograms.Minimum, histograms.BinsPerUnit, factors));
    }

    /// <inheritdoc/>
    public void Round(LinearWeights linear, WeightCodes codes, double[]? importance, GridKind search)
    {
        RequireTrusted();
        uint size = (uint)codes.Layout.Columns;
        int most = (int)Math.Clamp(SliceBytes / (8L * size), 1, 1 << 15);
        using GpuBuffer weights = gpu.Allocate<double>(importance ?? [0]), identity = gpu.Allocate<int>([.. Enumerable.Range(0, (int)size)]);
        for (int first = 0; first < codes.Rows; first += most)
        {
            using WeightSlice slice = new(gpu, linear.Float!, codes, first, Math.Min(most, codes.Rows - first));
            using (Submissions work = new(gpu))
            {
                uint n = (uint)slice.Rows;
                work.Move(DoubleMove.SingleWeights, new DoubleMovePush(slice.Source.Address, slice.Weights.Address, 0, 0, n, size, size, size), slice.SourceType);
                work.Move(DoubleMove.Weights, new DoubleMovePush(slice.Weights.Address, slice.A.Address, identity.Address, 0, n, size, size, size));
                slice.Search(work, search, slice.A.Address, importance is null ? 0 : weights.Address, 0, codes.Layout.GroupSize, 0, codes.Layout.Groups);
                DescentPush push = new(slice.Weights.Address, 0, 0, slice.Levels.Address, slice.Grids.Address, 0, 0, 0, 0, 0, n, size, (uint)codes.Layout.GroupSize, (uint)codes.Layout.Groups);
                work.Run(r => r.Dispatch(new DescentShader { Step = DescentStep.Round }, push, slice.Rows), 20.0 * n * size);
                slice.RecordCodes(work);
            }

            slice.Read(codes);
        }
    }

    /// <summary>A device without f64, or whose arithmetic is not the CPU's, is refused by name.</summary>
    private void RequireTrusted()
    {
        FloatArithmetic.Of(gpu);
        if (!trusted)
        {
            AlgebraCheck.Require(gpu, () => new VulkanCalibration(gpu, check, trusted: true));
        }
    }

    private sealed class Errors(VulkanContext gpu, VulkanSums sums, GpuBuffer? factors) : IOutputErrors
    {
        public void Compare(Executor executor, DeviceActivation exact, DeviceActivation approximate) => ((VulkanExecutor)executor).AddErrors(exact, approximate, sums, factors);

        public double[] Read(int rows)
        {
            double[] values = new double[2 * rows];
            gpu.Download<double>(sums.Buffer, values);
            return values;
        }

        public void Dispose()
        {
            sums.Dispose();
            factors?.Dispose();
        }
    }

    private sealed class Comparison(VulkanContext gpu, Errors errors, VulkanOutputCounts counts) : IOutputComparison
    {
        public void Compare(Executor executor, DeviceActivation exact, DeviceActivation approximate)
        {
            // Counting multiplies by the factors.
            ((VulkanExecutor)executor).CountOutputs(exact, approximate, counts);
            errors.Compare(executor, exact, approximate);
        }

        public double[] Read(int rows) => errors.Read(rows);

        public void AddCounts(HistogramDivergence histograms)
        {
            uint[] values = new uint[counts.Counts.Count];
            gpu.Download<uint>(counts.Counts.Buffer, values);
            histograms.AddCounts(values.AsSpan(0, values.Length / 2), values.AsSpan(values.Length / 2));
        }

        public void Dispose()
        {
            errors.Dispose();
            counts.Dispose();
        }
    }

    private sealed class Magnitudes(VulkanContext gpu, VulkanCounts counts) : IMagnitudeCounts
    {
        private long _rows;

        public void Add(Executor executor, DeviceInput input, int rows)
        {
            ((VulkanExecutor)executor).CountMagnitudes(input, counts);
            _rows += rows;
        }

        public MagnitudeHistograms Read()
        {
            int[] values = new int[counts.Count];
            gpu.Download<int>(counts.Buffer, values);
            return new MagnitudeHistograms(counts.Count / MagnitudeHistograms.BinCount, values, _rows);
        }

        public void Dispose() => counts.Dispose();
    }

    private sealed class Rounding(VulkanContext gpu, VulkanRounding rounding) : IInputRounding
    {
        public void Round(Executor executor, DeviceActivation x, DeviceActivation exact, DeviceActivation seen, int rows) =>
            ((VulkanExecutor)executor).RoundInput(x, rounding, exact, seen);

        public long ReadClipped()
        {
            uint[] columns = new uint[rounding.Clipped.Count];
            gpu.Download<uint>(rounding.Clipped.Buffer, columns);
            return columns.Sum(c => (long)c);
        }

        public void Dispose() => rounding.Dispose();
    }

    private sealed class Squares(VulkanContext gpu, VulkanSums sums) : IColumnSquares
    {
        public void Add(Executor executor, DeviceInput input, int rows) => ((VulkanExecutor)executor).AddSquares(input, sums);

        public double[] Read()
        {
            double[] values = new double[sums.Columns];
            gpu.Download<double>(sums.Buffer, values);
            return values;
        }

        public void Dispose() => sums.Dispose();
    }

    private sealed class Maxima(VulkanMaxima maxima) : IColumnMaxima
    {
        public void Add(Executor executor, DeviceInput input, int rows) => ((VulkanExecutor)executor).RaiseMaxima(input, maxima);

        public void Add(Executor executor, DeviceActivation x, int rows) => ((VulkanExecutor)executor).RaiseMaxima(x, maxima);

        public float[] Read() => maxima.Read();

        public void Dispose() => maxima.Dispose();
    }
}
