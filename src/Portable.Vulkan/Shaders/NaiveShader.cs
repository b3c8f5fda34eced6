namespace Portable.Vulkan.Shaders;

/// <summary>shaders/matmul/naive.comp.</summary>
internal sealed record NaiveShader : MatmulShader
{
    /// <inheritdoc/>
    public override string Name => "naive";

    /// <inheritdoc/>
    public override int WorkgroupSize => 64;
}
