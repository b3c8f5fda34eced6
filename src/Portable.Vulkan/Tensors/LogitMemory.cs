using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Tensors;

/// <summary>Logits on the device and where the host reads them.</summary>
internal sealed class LogitMemory : IDisposable, IDeviceMemory
{
    private GpuBuffer? _device, _host;

    public ulong Device => _device!.Address;

    /// <summary>Makes room; true: the address has changed.</summary>
    public bool Ensure(VulkanContext gpu, long floats)
    {
        if (_device is not null && _device.Size >= floats * sizeof(float))
        {
            return false;
        }

        Dispose();
        (_device, _host) = (null, null);
        _device = gpu.Allocate(floats * sizeof(float));
        _host = gpu.Allocate(floats * sizeof(float), MemoryKind.Readback);
        return true;
    }

    /// <summary>The host's copy.</summary>
    public ReadOnlySpan<float> Read(int floats) => _host!.AsSpan<float>()[..floats];

    /// <summary>Records the copy to the host.</summary>
    public void Record(CommandRecorder recorder, long bytes) => recorder.Copy(_device!, 0, _host!, 0, bytes);

    public void Dispose()
    {
        _device?.Dispose();
        _host?.Dispose();
    }
}
