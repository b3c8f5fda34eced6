using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Model;

/// <summary>Per row, the workgroups that have finished; 0 between dispatches.</summary>
internal sealed class FinishedCounters : IRowStorage
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
