using Portable.Vulkan.Devices;

namespace Portable.Vulkan.Model;

/// <summary>When the attention kernels for many rows are taken; every choice gives the same bits.</summary>
public sealed record AttentionChoice
{
    private const int EnoughRows = 16;

    /// <summary>
    /// Rows of a sequence in a batch, on average, from which a quantized cache is attended with cooperative matrices, where the
    /// device has them; null: 16, and never on a software device, which takes twice as long with them.
    /// </summary>
    public int? MatrixRows { get; init; }

    /// <summary>The rows that count on a device.</summary>
    public int MatrixRowsOn(VulkanDeviceFacts device) => MatrixRows ?? (device.Kind == VulkanDeviceKind.Cpu ? int.MaxValue : EnoughRows);
}
