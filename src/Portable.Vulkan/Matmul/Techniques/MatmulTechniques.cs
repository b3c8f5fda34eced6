using Portable.Vulkan.Devices;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Operands;

namespace Portable.Vulkan.Matmul.Techniques;

/// <summary>The table of techniques: whoever is in it is dispatched, verified, tuned and benchmarked.</summary>
internal static class MatmulTechniques
{
    /// <summary>All techniques, the definition first.</summary>
    public static IReadOnlyList<MatmulTechnique> All { get; } = [new NaiveTechnique(), new PopcountTechnique(), new DotTechnique(), new CooperativeMatrixTechnique(), new CooperativeStreamTechnique()];

    /// <summary>A technique by name.</summary>
    /// <exception cref="VulkanException">No technique has this name.</exception>
    public static MatmulTechnique Named(string name) => All.FirstOrDefault(t => t.Name == name)
        ?? throw new VulkanException($"No Vulkan kernel '{name}'; there are {string.Join(", ", All.Select(t => t.Name))}.");

    /// <summary>The techniques that a device can run at all.</summary>
    public static IEnumerable<MatmulTechnique> Supported(VulkanDeviceFacts device, MatmulProblem problem) => All.Where(t => t.Refusal(device, problem) is null);
}
