using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/calibration/double_update.comp: c −= a·b in f64, one product after the other.</summary>
internal sealed record DoubleUpdateShader : Shader<DoubleUpdatePush>
{
    /// <summary>Outputs of a workgroup along each side.</summary>
    public required int Tile { get; init; }

    /// <summary>Whether the last column of a and the last row of b come first.</summary>
    public bool Reversed { get; init; }

    /// <summary>Whether b is zero above its diagonal.</summary>
    public bool Lower { get; init; }

    /// <summary>Invocations.</summary>
    public int Workgroup => Tile * Tile / 16;

    /// <inheritdoc/>
    public override string Name => "double_update";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, Tile);
        constants.Set(2, Reversed);
        constants.Set(3, Lower);
    }
}

/// <summary>Push constants of <see cref="DoubleUpdateShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct DoubleUpdatePush(ulong A, ulong B, ulong C, uint M, uint N, uint K, uint AStride, uint BStride, uint CStride);

/// <summary>shaders/calibration/double_panel.comp: a panel of Cholesky's factorisation without the products of the columns before it.</summary>
internal sealed record DoublePanelShader : Shader<DoublePanelPush>
{
    /// <summary>Outputs of a workgroup along each side.</summary>
    public const int Tile = 16;

    /// <summary>Invocations.</summary>
    public int Workgroup => 256;

    /// <summary>Columns of a panel.</summary>
    public required int Width { get; init; }

    /// <inheritdoc/>
    public override string Name => "double_panel";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, Width);
    }
}

/// <summary>Push constants of <see cref="DoublePanelShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct DoublePanelPush(ulong Matrix, ulong Panel, uint Size, uint First, uint Columns);

/// <summary>shaders/calibration/double_move.comp: f64 values from one place to another.</summary>
internal sealed record DoubleMoveShader : Shader<DoubleMovePush>
{
    /// <summary>Columns of a workgroup.</summary>
    public int Workgroup => 64;

    /// <summary>Which values go where.</summary>
    public required DoubleMove Move { get; init; }

    /// <inheritdoc/>
    public override string Name => "double_move";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, (uint)Move);
    }
}

/// <summary>What <see cref="DoubleMoveShader"/> moves.</summary>
internal enum DoubleMove : uint
{
    /// <summary>Rows to rows.</summary>
    Copy,

    /// <summary>The upper triangle of a symmetric matrix to the lower one of its permutation.</summary>
    Permute,

    /// <summary>f32 rows to f64 rows, columns permuted.</summary>
    Weights,

    /// <summary>The diagonal to a row.</summary>
    Diagonal,
}

/// <summary>Push constants of <see cref="DoubleMoveShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct DoubleMovePush(ulong Source, ulong Target, ulong Order, ulong Add, uint Rows, uint Columns, uint SourceStride, uint TargetStride);
