using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Tensors;

/// <summary>Logits on the device and where the host reads them.</summary>
internal sealed class LogitMemory : IDisposable, IDeviceMemory
{
    private GpuBuffer? _device, _host;

    public ulong Device => _device!.Address;

    /// <summary>Where a kernel writes logits that nothing on the device reads: a row goes to the host as it is made, many are copied.</summary>
    /// <param name="rows">Rows.</param>
    public ulong Target(int rows) => rows == 1 ? _host!.Address : Device;

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

    /// <summary>Records the copy to the host of what was written to an address.</summary>
    public void Record(CommandRecorder recorder, ulong target, long bytes)
    {
        if (target == Device)
        {
            recorder.Copy(_device!, 0, _host!, 0, bytes);
        }
    }

    public void Dispose()
    {
        _device?.Dispose();
        _host?.Dispose();
    }
}
