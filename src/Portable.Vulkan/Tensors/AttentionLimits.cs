using Portable.Execution;
using Portable.Reference.Operations;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Tensors;

/// <summary>What the attention kernels without matrices can serve: plain arithmetic over device facts.</summary>
internal static class AttentionLimits
{
    /// <summary>Rows of a tile.</summary>
    public const int TileRows = 16;

    /// <summary>Rows of a tile over a cache of f32, whose probabilities lie in shared memory.</summary>
    public static int FloatTileRows(VulkanDeviceFacts device) => device.SharedMemoryBytes >= 48 << 10 ? 64 : 32;

    // Groups of the quantizer of an attended row that shared memory is kept for beside a stretch of attention.
    private const int MostGroups = 256;

    /// <summary>Invocations of a workgroup: a software device runs them one after the other and pays for each barrier per invocation.</summary>
    public static int Workgroup(VulkanDeviceFacts device) => device.Kind == VulkanDeviceKind.Cpu ? 64 : 256;

    /// <summary>Bytes of shared memory that a 16-bit cache needs at least: queries, digits and rows of shaders/model/attention_digits.comp, or one stretch of decode_digits.comp.</summary>
    public static int SharedBytes(int headSize) =>
        Math.Max((TileRows * 2 * headSize) + (TileRows * VulkanCache.ChunkTokens * 2) + (TileRows * 28), DecodeDigitsShader.SharedBytes(headSize, MostGroups, 1));

    /// <summary>Why a cache cannot be served, or null.</summary>
    public static string? Refusal(VulkanDeviceFacts device, CacheShape cache)
    {
        int widest = cache.Bits == 16 ? DigitCodes.MaximumHeadSize : 256;
        return cache.HeadSize % 4 != 0 || cache.HeadSize > widest ? $"the kernels of a {cache.Bits}-bit cache take heads of multiples of 4 up to {widest}, not {cache.HeadSize}"
            : cache.Bits == 16 && SharedBytes(cache.HeadSize) > device.SharedMemoryBytes ? $"a 16-bit cache of heads of {cache.HeadSize} takes {SharedBytes(cache.HeadSize)} bytes of shared memory, and the device has {device.SharedMemoryBytes}"
            : null;
    }
}
