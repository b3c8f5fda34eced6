using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>What matmul shaders with cooperative matrices have in common: subgroups and the shape of their matrices (constants 7 to 11).</summary>
internal abstract record MatrixMatmulShader : MatmulShader
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
    }
}
