using System.Runtime.InteropServices;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/roofline/peak.comp: arithmetic in registers.</summary>
internal sealed record PeakShader : Shader<PeakPush>
{
    /// <summary>Invocations of a workgroup.</summary>
    public required int Workgroup { get; init; }

    /// <summary>Operation.</summary>
    public required PeakKind Kind { get; init; }

    /// <summary>Independent sums per invocation.</summary>
    public required int Chains { get; init; }

    /// <inheritdoc/>
    public override string Name => "peak";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, (uint)Kind);
        constants.Set(2, Chains);
    }
}

/// <summary>shaders/roofline/peak_matrix.comp: products of cooperative matrices in registers.</summary>
internal sealed record PeakMatrixShader : Shader<PeakPush>
{
    /// <summary>Invocations of a workgroup.</summary>
    public required int Workgroup { get; init; }

    /// <summary>Rows of a matrix.</summary>
    public required int FM { get; init; }

    /// <summary>Columns of a matrix.</summary>
    public required int FN { get; init; }

    /// <summary>Depth of a matrix.</summary>
    public required int FK { get; init; }

    /// <summary>Independent sums per subgroup.</summary>
    public required int Chains { get; init; }

    /// <summary>Invocations of a subgroup.</summary>
    public required int Subgroup { get; init; }

    /// <inheritdoc/>
    public override string Name => "peak_matrix";

    /// <inheritdoc/>
    public override int SubgroupSize => Subgroup;

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        constants.Set(0, Workgroup);
        constants.Set(1, FM);
        constants.Set(2, FN);
        constants.Set(3, FK);
        constants.Set(4, Chains);
    }
}

/// <summary>What <see cref="PeakShader"/> counts.</summary>
internal enum PeakKind : uint
{
    DotProducts,
    BitCounts,
}

/// <summary>Push constants of <see cref="PeakShader"/> and <see cref="PeakMatrixShader"/>.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly record struct PeakPush(ulong Sink, uint Loops, uint Seed);
