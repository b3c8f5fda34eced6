using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Shaders;

/// <summary>shaders/matmul/popcount.comp.</summary>
internal sealed record PopcountShader : MatmulShader
{
    /// <summary>Invocations of a workgroup.</summary>
    public required int Invocations { get; init; }

    /// <summary>Planes of a stored activation digit.</summary>
    public required int XBits { get; init; }

    /// <summary>Whether stored activations are two's complement.</summary>
    public required bool XSigned { get; init; }

    /// <summary>Invocations of a subgroup: an output each.</summary>
    public required int Subgroup { get; init; }

    /// <inheritdoc/>
    public override string Name => "popcount";

    /// <inheritdoc/>
    public override int SubgroupSize => Subgroup;

    /// <inheritdoc/>
    public override int WorkgroupSize => Invocations;

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(7, Invocations);
        constants.Set(8, XBits);
        constants.Set(9, XSigned);
    }
}
