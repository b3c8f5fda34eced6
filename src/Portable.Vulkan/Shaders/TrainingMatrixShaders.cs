using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/training/train_magnitude.comp: the largest magnitude of a matrix.</summary>
internal sealed record TrainingMagnitudeShader : TrainingShader<TrainingMagnitudePush>
{
    /// <summary>Element type.</summary>
    public required TableType TableType { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_magnitude";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(1, (uint)TableType);
    }
}

/// <summary>Push constants of <see cref="TrainingMagnitudeShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingMagnitudePush(ulong X, ulong Largest, uint Count);

/// <summary>shaders/training/train_split.comp: a matrix in two halves of every element.</summary>
internal sealed record TrainingSplitShader : TrainingShader<TrainingSplitPush>
{
    /// <summary>Rows and columns of a workgroup, and what a row of the result is a multiple of.</summary>
    public const int Tile = 64;

    /// <summary>Element type.</summary>
    public required TableType TableType { get; init; }

    /// <summary>Whether K lies along the columns of the matrix.</summary>
    public bool Transposed { get; init; }

    /// <inheritdoc/>
    public override string Name => "train_split";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(1, (uint)TableType);
        constants.Set(2, Transposed);
    }
}

/// <summary>Push constants of <see cref="TrainingSplitShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingSplitPush(ulong X, ulong Largest, ulong Halves, uint Rows, uint Columns);

/// <summary>What a product by cooperative matrices is cut into.</summary>
/// <param name="FM">Rows of a matrix.</param>
/// <param name="FN">Columns of a matrix.</param>
/// <param name="FK">Depth of a matrix.</param>
/// <param name="BM">Rows of a workgroup.</param>
/// <param name="BN">Columns of a workgroup.</param>
/// <param name="WM">Rows of a subgroup.</param>
/// <param name="WN">Columns of a subgroup.</param>
internal readonly record struct TrainingMatrixTile(int FM, int FN, int FK, int BM, int BN, int WM, int WN)
{
    /// <summary>Subgroups of a workgroup.</summary>
    public int Subgroups => BM / Math.Max(1, WM) * (BN / Math.Max(1, WN));

    /// <summary>Bytes of shared memory.</summary>
    public int SharedBytes => 16 * Math.Max(2 * (BM + BN) * 5, Subgroups * FM * FN / 4);
}

/// <summary>shaders/training/train_matrix.comp: products of matrices in halves.</summary>
internal sealed record TrainingMatrixShader : Shader<TrainingMatrixPush>
{
    /// <summary>Invocations of a subgroup.</summary>
    public required int Subgroup { get; init; }

    /// <summary>The tile.</summary>
    public required TrainingMatrixTile Tile { get; init; }

    /// <summary>Output tiles along M that neighbouring workgroups share b over.</summary>
    public int RowTiles => 8;

    /// <summary>Whether M and N are whole tiles.</summary>
    public required bool Whole { get; init; }

    /// <summary>Invocations.</summary>
    public int Workgroup => Tile.Subgroups * Subgroup;

    /// <inheritdoc/>
    public override string Name => "train_matrix";

    /// <inheritdoc/>
    public override int SubgroupSize => Subgroup;

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, Subgroup);
        constants.Set(2, Tile.FM);
        constants.Set(3, Tile.FN);
        constants.Set(4, Tile.FK);
        constants.Set(5, Tile.BM);
        constants.Set(6, Tile.BN);
        constants.Set(7, Tile.WM);
        constants.Set(8, Tile.WN);
        constants.Set(9, RowTiles);
        constants.Set(10, Whole);
    }
}

/// <summary>Push constants of <see cref="TrainingMatrixShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal record struct TrainingMatrixPush(ulong A, ulong B, ulong ALargest, ulong BLargest, ulong Y, uint M, uint N, uint K);
