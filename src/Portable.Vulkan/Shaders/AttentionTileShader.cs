using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>A tile of rows over a cache.</summary>
internal abstract record AttentionTileShader : AttentionShader<AttentionTilePush>
{
    /// <summary>Rows of a tile.</summary>
    public required int TileRows { get; init; }

    /// <summary>The shader that needs no matrices.</summary>
    /// <param name="attention">Head and cache.</param>
    /// <param name="workgroup">Invocations, at most 16 a row.</param>
    /// <param name="rows">Rows of a tile.</param>
    public static AttentionTileShader WithoutMatrices(AttentionConstants attention, int workgroup, int rows) => attention.KvBits == 32
        ? new AttentionFloatsShader { Workgroup = workgroup, Attention = attention, TileRows = rows }
        : attention.KvBits == 16
        ? new AttentionDigitsShader { Workgroup = workgroup, Attention = attention, TileRows = rows }
        : new AttentionIntegerShader { Workgroup = workgroup, Attention = attention, TileRows = rows };

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(7, TileRows);
    }
}

/// <summary>shaders/model/attention_integer.comp: over a cache of 2 … 8-bit codes.</summary>
internal sealed record AttentionIntegerShader : AttentionTileShader
{
    /// <inheritdoc/>
    public override string Name => "attention_integer";
}

/// <summary>shaders/model/attention_digits.comp: over a cache of 16-bit codes.</summary>
internal sealed record AttentionDigitsShader : AttentionTileShader
{
    /// <inheritdoc/>
    public override string Name => "attention_digits";
}

/// <summary>shaders/model/attention_floats.comp: over a cache of f32.</summary>
internal sealed record AttentionFloatsShader : AttentionTileShader
{
    /// <inheritdoc/>
    public override string Name => "attention_floats";
}

/// <summary>Push constants of <see cref="AttentionTileShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct AttentionTilePush(ulong Rows, ulong Tiles, ulong Queries, ulong QueryParameters, ulong Keys, ulong Values, ulong Parameters, ulong Attended, AttentionSizes Shape);
