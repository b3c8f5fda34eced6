using Portable.Execution;
using Portable.Vulkan.Devices;

namespace Portable.Vulkan.Tensors;

/// <summary>What shaders/model/attention_half.comp can serve: plain arithmetic over device facts.</summary>
public static class HalfAttention
{
    /// <summary>Rows of a tile.</summary>
    public const int TileRows = 16;

    // Over 128 the kernel gave wrong sums on one device and did not return on another.
    private const int LargestProvedHead = 128;

    /// <summary>Invocations of a workgroup: a software device runs them one after the other and pays for each barrier per invocation.</summary>
    public static int Workgroup(VulkanDeviceFacts device) => device.Kind == VulkanDeviceKind.Cpu ? 64 : 256;

    /// <summary>Bytes of shared memory, as the shader declares them: a chunk of keys or values, queries, probabilities, maxima and totals.</summary>
    public static int SharedBytes(int headSize) =>
        4 * ((headSize / 2 * VulkanCache.ChunkTokens) + (TileRows * headSize) + (TileRows * VulkanCache.ChunkTokens) + (TileRows * 16) + TileRows);

    /// <summary>Why a cache cannot be served, or null.</summary>
    public static string? Refusal(VulkanDeviceFacts device, CacheShape cache) =>
        cache.Bits != 16 ? null
        : cache.HeadSize > LargestProvedHead || cache.HeadSize / 2 > Workgroup(device) ? $"a half-precision cache is proved for heads of at most {LargestProvedHead}, not {cache.HeadSize}"
        : SharedBytes(cache.HeadSize) > device.SharedMemoryBytes ? $"a half-precision cache takes {SharedBytes(cache.HeadSize)} bytes of shared memory, and the device has {device.SharedMemoryBytes}"
        : null;
}
