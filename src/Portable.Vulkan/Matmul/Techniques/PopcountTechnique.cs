using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Matmul.Techniques;

/// <summary>AND + bitCount over planes with a subgroup per output: for few planes and few tokens.</summary>
internal sealed class PopcountTechnique : MatmulTechnique
{
    private const int Workgroup = 128;

    public override string Name => "popcount";

    public override string? Refusal(VulkanDeviceFacts device, MatmulProblem problem) =>
        device.KnowsSubgroupSize ? null : "the driver fixes no subgroup size for compute (requiredSubgroupSizeStages)";

    public override IEnumerable<MatmulPlan> Candidates(VulkanDeviceFacts device, MatmulProblem problem)
    {
        if (Refusal(device, problem) is not null)
        {
            return [];
        }

        int size = device.SubgroupSize, invocations = Math.Max(size, Math.Min(Workgroup, Math.Min(device.MaximumInvocations, size * device.MaximumSubgroups)));
        int rows = invocations / size, bits = problem.Activations.Bits == 16 ? 8 : problem.Activations.Bits;
        bool signed = problem.Activations.Signed || bits == 8;
        if (problem.General)
        {
            // More planes than the codes have are zeros, or copies of the sign: the same sum. Eight of them are a signed byte.
            bits = bits <= 2 ? 2 : bits <= 4 ? 4 : 8;
            signed |= bits == 8;
        }

        return [new MatmulPlan(Name, Name, new PopcountShader { Invocations = invocations, XBits = bits, XSigned = signed, Subgroup = size }, (problem.N + rows - 1) / rows, problem.M)];
    }

    public override double Estimate(VulkanDeviceFacts device, MatmulProblem problem) =>
        2000 + (double)problem.MultiplyAdds / 32 * problem.Weights.Bits * Math.Min(problem.Activations.Bits, 8) * problem.Digits / 1000 + problem.WeightBytes / 1000.0;
}

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
