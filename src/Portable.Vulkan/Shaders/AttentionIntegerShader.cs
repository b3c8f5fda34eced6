using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/model/attention_integer.comp: a tile of rows over a quantized cache.</summary>
internal sealed record AttentionIntegerShader : AttentionShader<AttentionIntegerPush>
{
    /// <summary>Rows of a tile.</summary>
    public required int TileRows { get; init; }

    /// <inheritdoc/>
    public override string Name => "attention_integer";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(7, TileRows);
    }
}

/// <summary>Push constants of <see cref="AttentionIntegerShader"/> and <see cref="AttentionMatrixShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct AttentionIntegerPush(ulong Rows, ulong Tiles, ulong Queries, ulong QueryParameters, ulong Keys, ulong Values, ulong Parameters, ulong Attended, AttentionSizes Shape);
