using Silk.NET.Vulkan;

namespace Portable.Vulkan.Engine;

/// <summary>A shader with its constants fixed, ready to dispatch. Owned by the context, which keeps one per set of constants.</summary>
public sealed class ComputePipeline
{
    internal ComputePipeline(string shader, Pipeline handle, PipelineLayout layout, int pushConstantBytes) =>
        (Shader, Handle, Layout, PushConstantBytes) = (shader, handle, layout, pushConstantBytes);

    /// <summary>Name of the shader.</summary>
    public string Shader { get; }

    /// <summary>Bytes of push constants that each dispatch gives.</summary>
    public int PushConstantBytes { get; }

    internal Pipeline Handle { get; }

    internal PipelineLayout Layout { get; }
}
