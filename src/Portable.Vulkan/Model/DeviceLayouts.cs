using Portable.Models;
using Portable.Reference.Blocks;

namespace Portable.Vulkan.Model;

/// <summary>Which block layouts the device kernels run.</summary>
internal static class DeviceLayouts
{
    /// <summary>The first feature of a model that they do not run, as the subject of "runs on …", or null.</summary>
    public static string? Refusal(ModelConfig config) =>
        config.Blocks.Select(Refusal).FirstOrDefault(r => r is not null);

    private static string? Refusal(BlockLayout block) =>
        block.Attention.QueryKeyNorm != QueryKeyNorm.None ? "Norms of queries and keys run"
        : block.Attention.Softcap != 0 ? "A softcap of the scores runs"
        : block.Attention.Window != 0 ? "Attention windows run"
        : block.Attention.Scale != new AttentionLayout(1, 1, block.Attention.HeadSize).Scale ? "A factor of the scores of its own runs"
        : block.Rotary is { } rotary && (rotary.Dimensions != block.Attention.HeadSize || rotary.Scaling?.QueryFactor(int.MaxValue) is { } f && f != 1) ? "Rotary positions of a part of a head, and queries that grow with the position, run"
        : null;
}
