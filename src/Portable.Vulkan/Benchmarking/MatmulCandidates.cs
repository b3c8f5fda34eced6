using Portable.Vulkan.Devices;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Techniques;

namespace Portable.Vulkan.Benchmarking;

/// <summary>The kernels worth timing for a problem: each technique's likeliest tiles, where its estimate is not hopeless, that the device takes as many workgroups of.</summary>
internal static class MatmulCandidates
{
    private const int Decode = 16, Few = 24, Many = 40, Hopeless = 20;

    /// <summary>The kernels; never the definition.</summary>
    public static IEnumerable<MatmulPlan> Of(VulkanDeviceFacts device, MatmulProblem problem)
    {
        MatmulTechnique[] supported = [.. MatmulTechniques.Supported(device, problem).Where(t => t.Name != "naive")];
        double best = supported.Min(t => t.Estimate(device, problem));
        return supported.Where(t => t.Estimate(device, problem) < Hopeless * best)
            .SelectMany(t => t.Candidates(device, problem).Where(k => k.FitsOn(device)).Take(t.Name == "dot" == problem.M < Decode ? Many : Few));
    }
}
