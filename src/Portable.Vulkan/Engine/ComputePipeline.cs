using Silk.NET.Vulkan;

namespace Portable.Vulkan.Engine;

/// <summary>A shader with its constants fixed, ready to dispatch. Owned by the context, which keeps one per <see cref="Shader"/>.</summary>
/// <param name="Handle">The pipeline.</param>
/// <param name="Layout">Its push constants.</param>
/// <param name="Statistics">What the driver tells of it.</param>
internal sealed record ComputePipeline(Pipeline Handle, PipelineLayout Layout, PipelineStatistics Statistics)
{
    /// <summary>Whether commands have been recorded with it: not where it was built to be compared with another.</summary>
    public bool Recorded { get; set; }
}
