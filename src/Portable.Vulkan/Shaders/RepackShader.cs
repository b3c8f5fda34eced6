using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/matmul/repack.comp: packed planes to the device layout.</summary>
internal sealed record RepackShader : Shader<RepackPush>
{
    /// <summary>Planes.</summary>
    public required int Bits { get; init; }

    /// <inheritdoc/>
    public override string Name => "repack";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants) => constants.Set(0, Bits);
}

/// <summary>Push constants of <see cref="RepackShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct RepackPush(ulong Planes, ulong Tiles, uint Rows, uint Blocks, uint FirstRow, uint Flip);
