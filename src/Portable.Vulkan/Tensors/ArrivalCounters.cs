using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Tensors;

/// <summary>Per row, the workgroups that have finished; 0 between dispatches.</summary>
internal sealed class ArrivalCounters : IRowStorage, IDeviceMemory
{
    private GpuBuffer? _buffer;

    public ulong Address => _buffer!.Address;

    public void Resize(VulkanContext gpu, int rows)
    {
        Dispose();
        _buffer = gpu.Allocate<uint>(new uint[rows]);
    }

    /// <summary>Sets them to 0, where a dispatch may not have ended.</summary>
    public void Reset(VulkanContext gpu)
    {
        if (_buffer is { } buffer)
        {
            gpu.Run(r => r.Fill(buffer, 0, buffer.Size, 0));
        }
    }

    public void Dispose() => _buffer?.Dispose();
}
