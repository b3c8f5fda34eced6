using System.Numerics;
using Portable.Vulkan.Devices;

namespace Portable.Vulkan.Tensors;

/// <summary>When the attention kernels for many rows and for long contexts are taken; every choice gives the same bits.</summary>
internal sealed record AttentionChoice
{
    /// <summary>The most workgroups that share the context of a row's head (shaders/include/decode_split.glsl).</summary>
    public const int MostStretches = 16;

    private const int EnoughRows = 16, EnoughWorkgroups = 128;

    /// <summary>
    /// Rows of a sequence in a batch, on average, from which a quantized cache is attended with cooperative matrices, where the
    /// device has them; null: 16, and never on a software device, which takes twice as long with them.
    /// </summary>
    public int? MatrixRows { get; init; }

    /// <summary>Workgroups that fill the device, which a decode step may spread a long context over; null: 128, and 2 on a software device.</summary>
    public int? Workgroups { get; init; }

    /// <summary>Tokens that splitting the context must take off each workgroup to be worth a second dispatch: counted in docs/measurements/2026-11-25-models-on-vulkan.md.</summary>
    public int SplitTokens { get; init; } = 1536;

    /// <summary>The rows that count on a device.</summary>
    public int MatrixRowsOn(VulkanDeviceFacts device) => MatrixRows ?? (device.Kind == VulkanDeviceKind.Cpu ? int.MaxValue : EnoughRows);

    /// <summary>The most (row, head) pairs whose context is split on a device.</summary>
    public int SplitPairsOn(VulkanDeviceFacts device) => (Workgroups ?? (device.Kind == VulkanDeviceKind.Cpu ? 2 : EnoughWorkgroups)) / 2;

    /// <summary>Workgroups that share the context of each row's head: a power of two, the same for long and longer contexts, so that few lists of commands serve all.</summary>
    /// <param name="device">The device.</param>
    /// <param name="pairs">Rows × heads.</param>
    /// <param name="context">Tokens of the longest row.</param>
    public int Stretches(VulkanDeviceFacts device, int pairs, int context)
    {
        int most = Math.Min(MostStretches, 2 * SplitPairsOn(device) / pairs);
        int stretches = most < 2 ? 1 : 1 << BitOperations.Log2((uint)most);
        return stretches > 1 && context - (context / stretches) >= SplitTokens ? stretches : 1;
    }
}
