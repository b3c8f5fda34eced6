using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/matmul/dot.comp.</summary>
internal sealed record DotShader : MatmulShader
{
    /// <summary>Invocations of a workgroup: 32 for each slice of K.</summary>
    public required int Invocations { get; init; }

    /// <summary>Tokens of a workgroup.</summary>
    public required int Tokens { get; init; }

    /// <summary>Blocks in flight per invocation.</summary>
    public required int Depth { get; init; }

    /// <summary>Scale groups between barriers.</summary>
    public required int Round { get; init; }

    /// <summary>Rows per invocation.</summary>
    public required int Rows { get; init; }

    /// <summary>16-byte vectors of activations in shared memory, 0: none.</summary>
    public required int SharedX { get; init; }

    /// <summary>1: all groups are held at once; 2: two rounds of them.</summary>
    public required int Rounds { get; init; }

    /// <summary>Workgroups along K.</summary>
    public required int Splits { get; init; }

    /// <inheritdoc/>
    public override string Name => "dot";

    /// <inheritdoc/>
    public override int WorkgroupSize => Invocations;

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(7, Invocations);
        constants.Set(8, Tokens);
        constants.Set(9, Depth);
        constants.Set(10, Round);
        constants.Set(11, Rows);
        constants.Set(12, SharedX);
        constants.Set(13, Rounds);
        constants.Set(14, Splits);
    }
}
