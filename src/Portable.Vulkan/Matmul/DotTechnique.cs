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

        // Software devices compile unrolled code slowly and gain nothing from it.
        bool software = device.Kind == VulkanDeviceKind.Cpu;
        int tokens = Math.Min((int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)problem.M), software ? 2 : 8);
        int units = problem.GroupBlocks == 0 ? problem.Layout.Blocks : problem.Layout.Groups;
        int wanted = software || units < 16 ? 4 : problem.N <= 8192 ? 16 : 8;
        var seen = new HashSet<string>();
        foreach (DotTile tile in
            from t in new[] { tokens, 4, 1 }.Where(t => t <= tokens)
            from slices in software ? [wanted] : new[] { wanted, 4, 8, 16, 32 }
            from rows in software ? [1, 2] : new[] { 1, 2, 4 }
            from share in new[] { false, true }
            from depth in software ? [1, 2, 4] : new[] { 2, 1, 4, 8 }
            select new DotTile(slices, t, depth, rows, share))
        {
            if (Plan(device, problem, tile) is { } kernel && seen.Add(kernel.Label))
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
    /// <param name="tile">The tile; its depth is fitted to the blocks of a scale group.</param>
    internal static VulkanKernel? Plan(VulkanDeviceFacts device, MatmulProblem problem, DotTile tile)
    {
        const int LaneBytes = 4 * GpuLinear.TileRows;
        (int slices, int tokens, int rows) = (tile.Slices, tile.Tokens, tile.Rows);
        int depth = problem.GroupBlocks == 0 ? tile.Depth : Fitted(tile.Depth, problem.GroupBlocks);
        int round = slices, rounds = 1, shared = LaneBytes * slices * rows * tokens * problem.Digits;
        if (problem.GroupBlocks != 0)
        {
            // All groups at once where half of shared memory holds them; otherwise two rounds in turn.
            int budget = Math.Max(device.SharedMemoryBytes / 2, 4096) / (LaneBytes * rows * tokens);
            round = (problem.Layout.Groups + slices - 1) / slices * slices;
            if (round > budget)
            {
                rounds = 2;
                round = Math.Max(budget / 2 / slices, 1) * slices;
            }

            shared = LaneBytes * rows * tokens * round * rounds;
        }

        int vectors = tile.SharedActivations ? problem.Layout.Blocks * 4 * tokens * problem.Digits : 0;
        int invocations = 32 * slices;
        if (invocations > device.MaximumInvocations || shared + 16 * Math.Max(vectors, 1) > device.SharedMemoryBytes)
        {
            return null;
        }

        int tiles = (problem.N + GpuLinear.TileRows - 1) / GpuLinear.TileRows;
        return new VulkanKernel(
            "dot",
            (tile with { Depth = depth }).ToString(),
            [(uint)invocations, (uint)tokens, (uint)depth, (uint)round, (uint)rows, (uint)vectors, (uint)rounds],
            0,
            (tiles + rows - 1) / rows,
            (problem.M + tokens - 1) / tokens);
    }

    // The next smaller divisor or multiple of the blocks of a group.
    private static int Fitted(int depth, int groupBlocks)
    {
        while (depth % groupBlocks != 0 && groupBlocks % depth != 0)
        {
            depth--;
        }

        return depth;
    }
}
