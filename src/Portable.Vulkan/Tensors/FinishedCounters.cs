using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Tensors;

/// <summary>Per row, the workgroups that have finished; 0 between dispatches.</summary>
internal sealed class FinishedCounters : IRowStorage, IDeviceMemory
{
    private GpuBuffer? _buffer;

    public ulong Address => _buffer!.Address;

    public void Resize(VulkanContext gpu, int rows)
    {
        Dispose();
        _buffer = gpu.Allocate<uint>(new uint[rows]);
    }

    public void Dispose() => _buffer?.Dispose();
}
