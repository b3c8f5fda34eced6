using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Tensors;

/// <summary>Σ x·xᵀ on a device: the upper triangle (and more of the tiles on the diagonal) of K×K f64.</summary>
internal sealed class VulkanGram : IDeviceMemory, IDisposable
{
    public VulkanGram(VulkanContext gpu, int size)
    {
        Size = size;
        GpuBuffer sums = gpu.Allocate((long)size * size * sizeof(double));
        Sums = sums;
        gpu.Run(r => r.Fill(sums, 0, sums.Size, 0));
    }

    /// <summary>K.</summary>
    public int Size { get; }

    /// <summary>K×K, row-major.</summary>
    public GpuBuffer Sums { get; }

    public void Dispose() => Sums.Dispose();
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
