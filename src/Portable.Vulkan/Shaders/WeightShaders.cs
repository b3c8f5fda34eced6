using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/calibration/grid_search.comp: grids of least weighted squared error.</summary>
internal sealed record GridSearchShader : Shader<GridSearchPush>
{
    /// <summary>Invocations: four a candidate.</summary>
    public int Workgroup => 96;

    /// <summary>Whether zero points are 0.</summary>
    public required bool Symmetric { get; init; }

    /// <summary>The largest code.</summary>
    public required int Levels { get; init; }

    /// <summary>Whether scales are halves.</summary>
    public required bool Halves { get; init; }

    /// <summary>Whether weights have an importance.</summary>
    public required bool Weighed { get; init; }

    /// <summary>Parts of the range that are tried.</summary>
    public required int Cuts { get; init; }

    /// <summary>Parts of a scale that are tried.</summary>
    public required int Parts { get; init; }

    /// <inheritdoc/>
    public override string Name => "grid_search";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, Symmetric);
        constants.Set(2, Levels);
        constants.Set(3, Halves);
        constants.Set(4, Weighed);
        constants.Set(5, Cuts);
        constants.Set(6, Parts);
    }
}

/// <summary>Push constants of <see cref="GridSearchShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct GridSearchPush(ulong Weights, ulong Importance, ulong Grids, ulong Parts, uint Columns, uint First, uint Group, uint GridStride, uint FirstGrid);

/// <summary>shaders/calibration/columns.comp: the columns of a panel, one after the other.</summary>
internal sealed record ColumnsShader : Shader<ColumnsPush>
{
    /// <summary>Columns of a panel.</summary>
    public const int Width = 64;

    /// <summary>Rows of a workgroup.</summary>
    public const int Rows = 2;

    /// <summary>Invocations.</summary>
    public int Workgroup => Width * Rows;

    /// <summary>Whether codes descend; else they are chosen and their errors compensated.</summary>
    public bool Descent { get; init; }

    /// <summary>Whether ties are rounded away from zero.</summary>
    public bool Away { get; init; }

    /// <inheritdoc/>
    public override string Name => "columns";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, Descent);
        constants.Set(2, Away);
    }
}

/// <summary>Push constants of <see cref="ColumnsShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct ColumnsPush(
    ulong Values, ulong Matrix, ulong Changes, ulong Levels, ulong Grids, ulong Residuals, ulong Order, ulong Damping, uint Rows, uint Size, uint First, uint Width, uint Group, uint GridStride);

/// <summary>shaders/calibration/descent.comp: least squares on the scales of rows.</summary>
internal sealed record DescentShader : Shader<DescentPush>
{
    /// <summary>Invocations.</summary>
    public int Workgroup => 64;

    /// <summary>What is done.</summary>
    public required DescentStep Step { get; init; }

    /// <summary>Whether scales are halves.</summary>
    public bool Halves { get; init; }

    /// <inheritdoc/>
    public override string Name => "descent";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, (uint)Step);
        constants.Set(2, Halves);
    }
}

/// <summary>What <see cref="DescentShader"/> does.</summary>
internal enum DescentStep : uint
{
    /// <summary>What codes lack of the weights.</summary>
    Residuals,

    /// <summary>The system of the scales.</summary>
    System,

    /// <summary>Its solution.</summary>
    Solve,

    /// <summary>The new scales, where they are better.</summary>
    Apply,

    /// <summary>Codes as they are stored.</summary>
    Codes,

    /// <summary>Weights to the nearest level.</summary>
    Round,
}

/// <summary>Push constants of <see cref="DescentShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct DescentPush(
    ulong Weights, ulong Residuals, ulong Gradients, ulong Levels, ulong Grids, ulong Images, ulong Normal, ulong Right, ulong Trial, uint FirstRow, uint Rows, uint Size, uint Group, uint Groups);
