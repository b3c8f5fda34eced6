using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/model/head.comp and head_tile.comp: logits of hidden rows.</summary>
internal sealed record HeadShader : Shader<HeadPush>
{
    /// <summary>Invocations of a workgroup.</summary>
    public required int Workgroup { get; init; }

    /// <summary>Invocations that share the partial sums of a row: 8 (head.comp, one token) or 32 (head_tile.comp).</summary>
    private int Team => Tokens == 1 ? 8 : 32;

    /// <summary>Element type of the table.</summary>
    public required TableType TableType { get; init; }

    /// <summary>Table rows of a team.</summary>
    public required int Rows { get; init; }

    /// <summary>Tokens of a workgroup.</summary>
    public required int Tokens { get; init; }

    /// <summary>Stretches of 64 columns in flight.</summary>
    public required int Ahead { get; init; }

    /// <summary>Whether rows are read as vectors of eight 16-bit elements.</summary>
    public required bool Wide { get; init; }

    /// <summary>c of c·tanh(logit/c), 0 = none.</summary>
    public float Softcap { get; init; }

    /// <summary>fl(1/c), or 0.</summary>
    private float InverseSoftcap => Softcap == 0 ? 0 : 1f / Softcap;

    /// <inheritdoc/>
    public override string Name => Tokens == 1 ? "head" : "head_tile";

    /// <summary>Table rows of a workgroup.</summary>
    public int RowsOfWorkgroup => Workgroup / Team * Rows;

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, (uint)TableType);
        constants.Set(2, Rows);
        constants.Set(3, Tokens);
        constants.Set(4, Ahead);
        constants.Set(5, Wide);
        constants.Set(6, Softcap);
        constants.Set(7, InverseSoftcap);
    }
}

/// <summary>Push constants of <see cref="HeadShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct HeadPush(ulong Hidden, ulong Table, ulong Logits, uint Columns, uint Vocabulary, uint TokenCount);
