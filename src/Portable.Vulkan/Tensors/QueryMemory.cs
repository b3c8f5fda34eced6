using Portable.Execution;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Tensors;

/// <summary>Query codes and their scales, zero points and sums, between the append and the attention of a quantized cache.</summary>
internal sealed class QueryMemory : IRowStorage, IDeviceMemory
{
    private GpuBuffer? _codes, _parameters;
    private long _codeBytes = 4;
    private int _heads = 1;

    public ulong Codes => _codes!.Address;

    public ulong Parameters => _parameters!.Address;

    /// <summary>Makes rows wide enough for these heads; true: they were not.</summary>
    public bool Widen(int heads, CacheShape cache)
    {
        long codeBytes = (long)heads * VulkanCache.HeadWords(cache) * 4 * Math.Max(1, 8 / AttentionConstants.FieldBitsOf(cache.Bits));
        if (heads <= _heads && codeBytes <= _codeBytes)
        {
            return false;
        }

        (_heads, _codeBytes) = (Math.Max(_heads, heads), Math.Max(_codeBytes, codeBytes));
        return true;
    }

    public void Resize(VulkanContext gpu, int rows)
    {
        Dispose();
        _codes = gpu.Allocate(rows * _codeBytes);
        _parameters = gpu.Allocate((long)rows * _heads * 16);
    }

    public void Dispose()
    {
        _codes?.Dispose();
        _parameters?.Dispose();
    }
}
