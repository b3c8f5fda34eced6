using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/matmul/coopmat.comp.</summary>
internal sealed record CoopmatShader : MatmulShader
{
    /// <summary>Invocations of a workgroup.</summary>
    public required int Invocations { get; init; }

    /// <summary>Invocations of a subgroup.</summary>
    public required int Subgroup { get; init; }

    /// <summary>Rows of a matrix.</summary>
    public required int FM { get; init; }

    /// <summary>Columns of a matrix.</summary>
    public required int FN { get; init; }

    /// <summary>Depth of a matrix.</summary>
    public required int FK { get; init; }

    /// <summary>Tokens of a workgroup.</summary>
    public required int BM { get; init; }

    /// <summary>Channels of a workgroup.</summary>
    public required int BN { get; init; }

    /// <summary>Tokens of a subgroup.</summary>
    public required int WM { get; init; }

    /// <summary>Channels of a subgroup.</summary>
    public required int WN { get; init; }

    /// <summary>Blocks of 64 columns of a step.</summary>
    public required int StepBlocks { get; init; }

    /// <summary>Copies of the tiles in shared memory.</summary>
    public required int Stages { get; init; }

    /// <summary>Tiles along M that neighbouring workgroups share weights over.</summary>
    public required int RowTiles { get; init; }

    /// <summary>Whether products are unrolled.</summary>
    public required bool Unrolled { get; init; }

    /// <summary>Steps on their way to shared memory in registers.</summary>
    public required int Sets { get; init; }

    /// <inheritdoc/>
    public override string Name => "coopmat";

    /// <inheritdoc/>
    public override int SubgroupSize => Subgroup;

    /// <inheritdoc/>
    public override int WorkgroupSize => Invocations;

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(7, Invocations);
        constants.Set(8, Subgroup);
        constants.Set(9, FM);
        constants.Set(10, FN);
        constants.Set(11, FK);
        constants.Set(12, BM);
        constants.Set(13, BN);
        constants.Set(14, WM);
        constants.Set(15, WN);
        constants.Set(16, StepBlocks);
        constants.Set(17, Stages);
        constants.Set(18, RowTiles);
        constants.Set(19, Unrolled);
        constants.Set(20, Sets);
    }
}
