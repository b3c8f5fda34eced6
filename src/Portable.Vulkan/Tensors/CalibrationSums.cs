using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Tensors;

/// <summary>Σ x·yᵀ on a device in f64; of Σ x·xᵀ the upper triangle (and more of the tiles on the diagonal).</summary>
internal sealed class VulkanSums : IDeviceMemory, IDisposable
{
    public VulkanSums(VulkanContext gpu, int rows, int columns)
    {
        (Rows, Columns) = (rows, columns);
        GpuBuffer sums = gpu.Allocate((long)rows * columns * sizeof(double));
        Buffer = sums;
        gpu.Run(r => r.Fill(sums, 0, sums.Size, 0));
    }

    /// <summary>Columns of x.</summary>
    public int Rows { get; }

    /// <summary>Columns of y.</summary>
    public int Columns { get; }

    /// <summary>Rows × columns, row-major.</summary>
    public GpuBuffer Buffer { get; }

    public void Dispose() => Buffer.Dispose();
}

/// <summary>Largest magnitudes of columns on a device.</summary>
internal sealed class VulkanMaxima : IDeviceMemory, IDisposable
{
    private readonly VulkanContext _gpu;

    public VulkanMaxima(VulkanContext gpu, int size)
    {
        (_gpu, Size) = (gpu, size);
        Bits = gpu.Allocate<uint>(new uint[size]);
    }

    /// <summary>Columns.</summary>
    public int Size { get; }

    /// <summary>The magnitudes as bits.</summary>
    public GpuBuffer Bits { get; }

    /// <summary>The magnitudes of everything run so far; NaN where a value was.</summary>
    public float[] Read()
    {
        float[] values = new float[Size];
        _gpu.Download<float>(Bits, values);
        return values;
    }

    public void Dispose() => Bits.Dispose();
}

/// <summary>Counts on a device.</summary>
internal sealed class VulkanCounts : IDeviceMemory, IDisposable
{
    public VulkanCounts(VulkanContext gpu, int count)
    {
        Count = count;
        GpuBuffer counts = gpu.Allocate((long)count * sizeof(uint));
        Buffer = counts;
        gpu.Run(r => r.Fill(counts, 0, counts.Size, 0));
    }

    /// <summary>How many there are.</summary>
    public int Count { get; }

    /// <summary>32 bits each.</summary>
    public GpuBuffer Buffer { get; }

    public void Dispose() => Buffer.Dispose();
}

/// <summary>How an input is rounded to a static scale, and how many values of each column were beyond its largest code.</summary>
internal sealed class VulkanRounding : IDisposable
{
    public VulkanRounding(VulkanContext gpu, float scale, float[] limits, float[]? factors)
    {
        (Scale, Reciprocal) = (scale, 1f / scale);
        Limits = gpu.Allocate<float>(limits);
        Factors = factors is null ? null : gpu.Allocate<float>(factors);
        Clipped = new VulkanCounts(gpu, limits.Length);
    }

    /// <summary>sx.</summary>
    public float Scale { get; }

    /// <summary>1/sx.</summary>
    public float Reciprocal { get; }

    /// <summary>The largest code of each column.</summary>
    public GpuBuffer Limits { get; }

    /// <summary>What each column is divided by before, or null.</summary>
    public GpuBuffer? Factors { get; }

    /// <summary>Values beyond.</summary>
    public VulkanCounts Clipped { get; }

    public void Dispose()
    {
        Limits.Dispose();
        Factors?.Dispose();
        Clipped.Dispose();
    }
}

/// <summary>Histograms of exact and of approximate outputs.</summary>
internal sealed class VulkanOutputCounts : IDisposable
{
    public VulkanOutputCounts(VulkanContext gpu, double minimum, double binsPerUnit, float[]? factors)
    {
        Range = gpu.Allocate<double>([minimum, binsPerUnit]);
        Factors = factors is null ? null : gpu.Allocate<float>(factors);
        Counts = new VulkanCounts(gpu, 2 * HistogramDivergence.BinCount);
    }

    /// <summary>The smallest exact value, and bins of a unit.</summary>
    public GpuBuffer Range { get; }

    /// <summary>What approximate outputs of each column are multiplied by before, or null.</summary>
    public GpuBuffer? Factors { get; }

    /// <summary>Exact values, then approximate ones.</summary>
    public VulkanCounts Counts { get; }

    public void Dispose()
    {
        Range.Dispose();
        Factors?.Dispose();
        Counts.Dispose();
    }
}
