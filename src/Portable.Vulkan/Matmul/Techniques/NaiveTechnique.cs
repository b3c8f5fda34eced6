using Portable.Vulkan.Devices;
using Portable.Vulkan.Matmul.Operands;

namespace Portable.Vulkan.Matmul.Techniques;

/// <summary>The definition, one invocation per output: serves every device and scheme.</summary>
internal sealed class NaiveTechnique : MatmulTechnique
{
    private const int Workgroup = 64;

    public override string Name => "naive";

    public override string? Refusal(VulkanDeviceFacts device, MatmulProblem problem) => null;

    public override IEnumerable<VulkanKernel> Candidates(VulkanDeviceFacts device, MatmulProblem problem) =>
        [new VulkanKernel(Name, Name, [], 0, (problem.N + Workgroup - 1) / Workgroup, problem.M)];

    public override double Estimate(VulkanDeviceFacts device, MatmulProblem problem) => 1e6 + problem.MultiplyAdds * 0.1;
}
