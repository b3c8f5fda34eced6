using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/model/attention_half.comp: a tile of rows over a cache of halves.</summary>
internal sealed record AttentionHalfShader : AttentionShader<AttentionHalfPush>
{
    /// <summary>Rows of a tile.</summary>
    public required int TileRows { get; init; }

    /// <inheritdoc/>
    public override string Name => "attention_half";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(7, TileRows);
    }
}

/// <summary>Push constants of <see cref="AttentionHalfShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct AttentionHalfPush(ulong Rows, ulong Tiles, ulong Qkv, ulong Keys, ulong Values, ulong Attended, AttentionSizes Shape);
