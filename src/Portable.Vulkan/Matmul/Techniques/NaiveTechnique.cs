using Portable.Vulkan.Devices;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Matmul.Techniques;

/// <summary>The definition, one invocation per output: serves every device and scheme.</summary>
internal sealed class NaiveTechnique : MatmulTechnique
{
    private static readonly NaiveShader s_shader = new();

    public override string Name => "naive";

    public override string? Refusal(VulkanDeviceFacts device, MatmulProblem problem) => null;

    public override IEnumerable<VulkanKernel> Candidates(VulkanDeviceFacts device, MatmulProblem problem) =>
        [new VulkanKernel(Name, Name, s_shader, (problem.N + s_shader.WorkgroupSize - 1) / s_shader.WorkgroupSize, problem.M)];

    public override double Estimate(VulkanDeviceFacts device, MatmulProblem problem) => 1e6 + problem.MultiplyAdds * 0.1;
}
