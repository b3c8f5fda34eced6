using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>Logits of hidden rows from a float table: what shaders/model/head.comp and head_tile.comp have in common.</summary>
internal abstract record HeadShader : Shader<HeadPush>
{
    /// <summary>Invocations of a workgroup.</summary>
    public required int Workgroup { get; init; }

    /// <summary>Element type of the table.</summary>
    public required TableType TableType { get; init; }

    /// <summary>Table rows of a team.</summary>
    public required int Rows { get; init; }

    /// <summary>Stretches of 64 columns in flight.</summary>
    public required int Ahead { get; init; }

    /// <summary>Whether rows are read as whole words of 16-bit elements.</summary>
    public required bool Wide { get; init; }

    /// <summary>c of c·tanh(logit/c), 0 = none.</summary>
    public float Softcap { get; init; }

    /// <summary>fl(1/c), or 0.</summary>
    private float InverseSoftcap => Softcap == 0 ? 0 : 1f / Softcap;

    /// <summary>Table rows of a workgroup.</summary>
    public int RowsOfWorkgroup => Workgroup / Team * Rows;

    /// <summary>Invocations that share the partial sums of a row.</summary>
    protected abstract int Team { get; }

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, (uint)TableType);
        constants.Set(2, Rows);
        constants.Set(4, Ahead);
        constants.Set(5, Wide);
        constants.Set(6, Softcap);
        constants.Set(7, InverseSoftcap);
    }
}

/// <summary>shaders/model/head.comp: one token of a workgroup.</summary>
internal sealed record HeadRowShader : HeadShader
{
    /// <inheritdoc/>
    public override string Name => "head";

    /// <inheritdoc/>
    protected override int Team => 8;
}

/// <summary>shaders/model/head_tile.comp: several tokens of a workgroup.</summary>
internal sealed record HeadTileShader : HeadShader
{
    /// <summary>Tokens of a workgroup.</summary>
    public required int Tokens { get; init; }

    /// <inheritdoc/>
    public override string Name => "head_tile";

    /// <inheritdoc/>
    protected override int Team => 32;

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(3, Tokens);
    }
}

/// <summary>Push constants of <see cref="HeadShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct HeadPush(ulong Hidden, ulong Table, ulong Logits, uint Columns, uint Vocabulary, uint TokenCount);
