using System.Runtime.InteropServices;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/calibration/column_errors.comp: error tables of the columns of a matrix.</summary>
internal sealed record ColumnErrorsShader : Shader<ColumnErrorsPush>
{
    /// <summary>Columns of a workgroup.</summary>
    public int Workgroup => 64;

    /// <summary>Whether errors are summed, or what a table begins with.</summary>
    public required bool Tables { get; init; }

    /// <summary>Steps of a table.</summary>
    public int Steps => ErrorTable.StepCount;

    /// <summary>The most parts.</summary>
    public required int Parts { get; init; }

    /// <inheritdoc/>
    public override string Name => "column_errors";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, Tables);
        constants.Set(2, Parts);
        constants.Set(3, Steps);
    }
}

/// <summary>Push constants of <see cref="ColumnErrorsShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct ColumnErrorsPush(ulong Weights, ulong RowWeights, ulong Inputs, ulong Facts, ulong Steps, ulong Parts, ulong Errors, uint Columns, uint FirstRow, uint Rows, uint Q);
