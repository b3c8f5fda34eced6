using Portable.Vulkan.Devices;

namespace Portable.Vulkan.Matmul;

/// <summary>Packed 4×8-bit dot products from fields in registers: few tokens, limited by reading the weights.</summary>
internal sealed class DotTechnique : MatmulTechnique
{
    public override string Name => "dot";

    public override string? Refusal(VulkanDeviceFacts device, MatmulProblem problem) =>
        device.DotProduct ? null : "the device lacks packed dot products (shaderIntegerDotProduct)";

    public override IEnumerable<VulkanKernel> Candidates(VulkanDeviceFacts device, MatmulProblem problem)
    {
        if (Refusal(device, problem) is not null)
        {
            yield break;
        }

        // Default: enough slices that a small N fills the device, few enough that a slice still has several blocks.
        int units = problem.GroupBlocks == 0 ? problem.Layout.Blocks : problem.Layout.Groups;
        int wanted = units < 16 ? 4 : problem.N <= 8192 ? 16 : 8;

        // Software devices compile unrolled code slowly and gain nothing from it.
        bool software = device.Kind == VulkanDeviceKind.Cpu;
        int tokens = Math.Min((int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)problem.M), software ? 2 : 8);
        var seen = new HashSet<string>();
        foreach ((int slices, int t, int depth) in
            from t in new[] { tokens, 4, 1 }.Where(t => t <= tokens)
            from slices in software ? [Math.Min(wanted, 4)] : new[] { wanted, 4, 8, 16, 32 }
            from depth in software || problem.N > 8192 ? [1, 2, 4] : new[] { 2, 1, 4 }
            select (slices, t, depth))
        {
            if (Plan(device, problem, slices, t, depth) is { } kernel && seen.Add(kernel.Label))
            {
                yield return kernel;
            }
        }
    }

    public override double Estimate(VulkanDeviceFacts device, MatmulProblem problem) =>
        2000 + Math.Max(problem.WeightBytes / 2000.0 * ((problem.M + 7) / 8), problem.MultiplyAdds * problem.Digits / 15000.0);

    /// <summary>A kernel of this tile, or null where it does not fit the device.</summary>
    /// <param name="device">Facts.</param>
    /// <param name="problem">Problem.</param>
    /// <param name="slices">Slices of K per workgroup.</param>
    /// <param name="tokens">Tokens per workgroup.</param>
    /// <param name="depth">Blocks in flight per invocation.</param>
    internal static VulkanKernel? Plan(VulkanDeviceFacts device, MatmulProblem problem, int slices, int tokens, int depth)
    {
        int invocations = 32 * slices, round = slices;
        int shared = 4 * 32 * slices * tokens * problem.Digits;
        if (problem.GroupBlocks != 0)
        {
            // As many groups between barriers as a quarter of shared memory holds, so that other workgroups fit beside.
            int budget = Math.Max(device.SharedMemoryBytes / 4, 4096) / (4 * 32 * tokens);
            int needed = problem.Layout.Groups;
            round = slices;
            while (round < needed && round * 2 <= budget)
            {
                round *= 2;
            }

            shared = 4 * 32 * round * tokens;
        }

        if (invocations > device.MaximumInvocations || shared > device.SharedMemoryBytes)
        {
            return null;
        }

        return new VulkanKernel(
            "dot",
            FormattableString.Invariant($"dot {slices}x{tokens}x{depth}"),
            [(uint)invocations, (uint)tokens, (uint)depth, (uint)round],
            0,
            (problem.N + GpuLinear.TileRows - 1) / GpuLinear.TileRows,
            (problem.M + tokens - 1) / tokens);
    }
}
