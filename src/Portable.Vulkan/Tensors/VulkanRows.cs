using Portable.Execution;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Tensors;

/// <summary>Values in the device's memory, or in memory of the host that the device copies from and to by itself.</summary>
/// <param name="gpu">The device.</param>
/// <param name="count">Values.</param>
/// <param name="resident">Whether they are in the device's.</param>
internal sealed class VulkanRows(VulkanContext gpu, int count, bool resident) : StoredRows
{
    /// <summary>The memory.</summary>
    public GpuBuffer Buffer { get; } = gpu.Allocate((long)count * sizeof(float), resident ? MemoryKind.Device : MemoryKind.Readback);

    /// <inheritdoc/>
    public override void Read(int first, Span<float> values) => gpu.Download(Buffer, values, sizeof(float) * (long)first);

    /// <inheritdoc/>
    public override void Write(int first, ReadOnlySpan<float> values) => gpu.Upload(values, Buffer, sizeof(float) * (long)first);

    /// <inheritdoc/>
    public override void Dispose() => Buffer.Dispose();
}
