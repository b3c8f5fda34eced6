using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/model/embed.comp: rows of a table, with or without a table of positions.</summary>
internal sealed record EmbedShader : Shader<EmbedPush>
{
    /// <summary>Columns of a workgroup.</summary>
    public required int Workgroup { get; init; }

    /// <summary>Element type of the table.</summary>
    public required TableType TableType { get; init; }

    /// <summary>Element type of the table of positions.</summary>
    public required TableType PositionType { get; init; }

    /// <summary>Factor of the embeddings.</summary>
    public required float Scale { get; init; }

    /// <summary>Bits of a code, of a table of codes.</summary>
    public required int Bits { get; init; }

    /// <summary>Whether the scales of a table of codes are halves.</summary>
    public required bool HalfScales { get; init; }

    /// <inheritdoc/>
    public override string Name => "embed";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, (uint)TableType);
        constants.Set(2, (uint)PositionType);
        constants.Set(3, Scale);
        constants.Set(4, Bits);
        constants.Set(40, HalfScales);
    }
}

/// <summary>Element types of tables (shaders/include/table.glsl).</summary>
internal enum TableType : uint
{
    Float32,
    Float16,
    BFloat16,
    None,
    Codes,
}

/// <summary>Push constants of <see cref="EmbedShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct EmbedPush(ulong Rows, ulong Table, ulong Positions, ulong X, ulong Scales, ulong Zeros, uint Columns, uint PositionOffset);
