using Portable.Vulkan.Devices;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Matmul.Techniques;

/// <summary>The definition, one invocation per output: serves every device and scheme.</summary>
internal sealed class NaiveTechnique : MatmulTechnique
{
    private static readonly NaiveShader Shader = new();

    public override string Name => "naive";

    public override string? Refusal(VulkanDeviceFacts device, MatmulProblem problem) => null;

    public override IEnumerable<MatmulPlan> Candidates(VulkanDeviceFacts device, MatmulProblem problem) =>
        [new MatmulPlan(Name, Name, Shader, (problem.N + Shader.WorkgroupSize - 1) / Shader.WorkgroupSize, problem.M)];

    public override double Estimate(VulkanDeviceFacts device, MatmulProblem problem) => 1e6 + problem.MultiplyAdds * 0.1;
}

/// <summary>shaders/matmul/naive.comp.</summary>
internal sealed record NaiveShader : MatmulShader
{
    /// <inheritdoc/>
    public override string Name => "naive";

    /// <inheritdoc/>
    public override int WorkgroupSize => 64;
}
