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

    /// <summary>Whether products are added.</summary>
    public bool Added { get; init; }

    /// <summary>Whether b's diagonal is damped.</summary>
    public bool Damped { get; init; }

    /// <summary>Columns of a whose product goes to a matrix of its own; 0 = all to one, on top of what is there.</summary>
    public int Group { get; init; }

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
        constants.Set(4, Added);
        constants.Set(5, Damped);
        constants.Set(6, Group);
    }
}

/// <summary>Push constants of <see cref="DoubleUpdateShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct DoubleUpdatePush(ulong A, ulong B, ulong C, uint M, uint N, uint K, uint AStride, uint BStride, uint CStride, ulong Damping = 0);

/// <summary>shaders/calibration/double_dot.comp: rows times the transpose of a lower triangle, in four partial sums.</summary>
internal sealed record DoubleDotShader : Shader<DoubleDotPush>
{
    /// <summary>Outputs of a workgroup along each side.</summary>
    public const int Tile = 32;

    /// <summary>Invocations.</summary>
    public int Workgroup => 256;

    /// <inheritdoc/>
    public override string Name => "double_dot";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants) => constants.Set(0, Workgroup);
}

/// <summary>Push constants of <see cref="DoubleDotShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct DoubleDotPush(ulong X, ulong Lower, ulong Y, uint Rows, uint Size);

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

/// <summary>shaders/calibration/double_finish.comp: roots and quotients of a panel.</summary>
internal sealed record DoubleFinishShader : Shader<DoubleFinishPush>
{
    /// <summary>Rows or columns of a workgroup.</summary>
    public int Workgroup => 64;

    /// <summary>What is done.</summary>
    public required FinishStep Step { get; init; }

    /// <inheritdoc/>
    public override string Name => "double_finish";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, (uint)Step);
    }
}

/// <summary>What <see cref="DoubleFinishShader"/> does.</summary>
internal enum FinishStep : uint
{
    /// <summary>The block on the diagonal.</summary>
    Diagonal,

    /// <summary>The rows below it.</summary>
    Rows,

    /// <summary>Rows of the inverse.</summary>
    Inverse,
}

/// <summary>Push constants of <see cref="DoubleFinishShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct DoubleFinishPush(ulong Panel, ulong Rows, ulong Failure, uint First, uint Width, uint Count, uint Size);

/// <summary>shaders/calibration/double_move.comp: f64 values from one place to another.</summary>
internal sealed record DoubleMoveShader : Shader<DoubleMovePush>
{
    /// <summary>Columns of a workgroup.</summary>
    public int Workgroup => 64;

    /// <summary>Which values go where.</summary>
    public required DoubleMove Move { get; init; }

    /// <summary>Element type of weights.</summary>
    public TableType TableType { get; init; }

    /// <inheritdoc/>
    public override string Name => "double_move";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, (uint)Move);
        constants.Set(2, (uint)TableType);
    }
}

/// <summary>What <see cref="DoubleMoveShader"/> moves.</summary>
internal enum DoubleMove : uint
{
    /// <summary>Rows to rows.</summary>
    Copy,

    /// <summary>The upper triangle of a symmetric matrix to the lower one of its permutation.</summary>
    Permute,

    /// <summary>Rows of weights to f64 rows, columns permuted.</summary>
    Weights,

    /// <summary>The diagonal to a row.</summary>
    Diagonal,

    /// <summary>The upper triangle to the lower one, in place.</summary>
    Mirror,

    /// <summary>A matrix moved to a part of the way from another, in place.</summary>
    Mix,

    /// <summary>A matrix times a number.</summary>
    Scale,

    /// <summary>Rows with a multiple of others added, columns permuted.</summary>
    SolvedFor,

    /// <summary>Rows to f32 rows, the permutation of columns undone.</summary>
    Single,

    /// <summary>Rows of weights to f32 rows.</summary>
    SingleWeights,

    /// <summary>One over the squares of the diagonal.</summary>
    Importance,
}

/// <summary>Push constants of <see cref="DoubleMoveShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct DoubleMovePush(ulong Source, ulong Target, ulong Order, ulong Add, uint Rows, uint Columns, uint SourceStride, uint TargetStride, ulong Other = 0);
