using Portable.Vulkan.Devices;
using Portable.Vulkan.Matmul.Operands;

namespace Portable.Vulkan.Matmul.Techniques;

/// <summary>A way to evaluate the product: a shader, what it needs, and its tiles for a problem. One row of <see cref="MatmulTechniques.All"/>.</summary>
internal abstract class MatmulTechnique
{
    /// <summary>Name; also of the shader.</summary>
    public abstract string Name { get; }

    /// <summary>Why a device (or problem) cannot use it, or null.</summary>
    public abstract string? Refusal(VulkanDeviceFacts device, MatmulProblem problem);

    /// <summary>Kernels worth trying for a problem, the default first; empty where refused.</summary>
    public abstract IEnumerable<MatmulPlan> Candidates(VulkanDeviceFacts device, MatmulProblem problem);

    /// <summary>A rough time in nanoseconds on an unknown device, for choosing before anything is measured.</summary>
    public abstract double Estimate(VulkanDeviceFacts device, MatmulProblem problem);
}
