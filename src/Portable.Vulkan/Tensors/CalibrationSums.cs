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
