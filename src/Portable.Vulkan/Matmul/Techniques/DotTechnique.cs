using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Matmul.Techniques;

/// <summary>Packed 4×8-bit dot products from fields in registers: few tokens, limited by reading the weights.</summary>
internal sealed class DotTechnique : MatmulTechnique
{
    // Tiles of outputs that K can be split for, as in dot.comp.
    private const int Counters = 1024, FewChannels = 4096;

    public override string Name => "dot";

    public override string? Refusal(VulkanDeviceFacts device, MatmulProblem problem) =>
        device.DotProduct ? null : "the device lacks packed dot products (shaderIntegerDotProduct)";

    public override IEnumerable<MatmulPlan> Candidates(VulkanDeviceFacts device, MatmulProblem problem)
    {
        if (Refusal(device, problem) is not null)
        {
            return [];
        }

        bool software = device.Kind == VulkanDeviceKind.Cpu;
        IEnumerable<MatmulPlan> whole = Fitting(device, problem, software ? SoftwareTiles(problem) : problem.General ? GeneralTiles(problem) : Tiles(problem, DeviceBudget.For(device).DotTokens));
        return problem.General ? whole : [.. whole.Take(1), .. Fitting(device, problem, SplitTiles(problem, software)), .. whole.Skip(1)];
    }

    public override double Estimate(VulkanDeviceFacts device, MatmulProblem problem) =>
        2000 + Math.Max(problem.WeightBytes / 2000.0 * ((problem.M + 7) / 8), problem.MultiplyAdds * problem.Digits / 15000.0);

    /// <summary>A kernel of this tile, or null where it does not fit the device.</summary>
    /// <param name="device">Facts.</param>
    /// <param name="problem">Problem.</param>
    /// <param name="tile">The tile; its depth is fitted to the blocks of a scale group.</param>
    internal static MatmulPlan? Plan(VulkanDeviceFacts device, MatmulProblem problem, DotTile tile)
    {
        const int LaneBytes = 4 * GpuLinear.TileRows;
        (int slices, int tokens, int rows) = (tile.Slices, tile.Tokens, tile.Rows);
        int depth = problem.GroupBlocks == 0 ? tile.Depth : Fitted(tile.Depth, problem.GroupBlocks);
        int vectors = tile.SharedActivations ? problem.Layout.Blocks * 4 * tokens * problem.Digits : 0;
        int left = device.SharedMemoryBytes - 16 * Math.Max(vectors, 1);
        int round = slices, rounds = 1, shared = LaneBytes * slices * rows * tokens * problem.Digits;
        if (problem.GroupBlocks != 0 && tile.Splits == 1)
        {
            // All groups at once where half of shared memory, or what activations leave, holds them; otherwise two rounds in turn.
            int budget = Math.Min(left, device.SharedMemoryBytes / 2) / (LaneBytes * rows * tokens);
            round = (problem.Layout.Groups + slices - 1) / slices * slices;
            if (round > budget)
            {
                rounds = 2;
                round = Math.Max(budget / 2 / slices, 1) * slices;
            }

            if (problem.General && (round > slices || device.Kind == VulkanDeviceKind.Cpu))
            {
                // One kernel for every larger number of groups, and for fewer too where building kernels takes longest.
                (round, rounds) = (slices, 2);
            }

            shared = LaneBytes * rows * tokens * round * rounds;
        }

        int invocations = 32 * slices;
        if (invocations > DeviceBudget.For(device).DotInvocations || shared > left)
        {
            return null;
        }

        int tiles = (problem.N + GpuLinear.TileRows - 1) / GpuLinear.TileRows;
        (int x, int y) = ((tiles + rows - 1) / rows, (problem.M + tokens - 1) / tokens);
        if (tile.Splits > 1 && x * y > Counters)
        {
            return null;
        }

        long scratch = tile.Splits == 1 ? 0 : 4 * Counters + (long)LaneBytes * x * y * rows * tokens * (problem.GroupBlocks == 0 ? problem.Digits : problem.Layout.Groups);
        return new MatmulPlan(
            "dot",
            (tile with { Depth = depth }).ToString(),
            new DotShader { Invocations = invocations, Tokens = tokens, Depth = depth, Round = round, Rows = rows, SharedX = vectors, Rounds = rounds, Splits = tile.Splits },
            x,
            y)
        {
            Splits = tile.Splits,
            ScratchBytes = scratch,
        };
    }

    // First what an NVIDIA H100 favours: for a small N all of K at once, so that memory is waited for once; for several tokens
    // fewer subgroups that read each activation from shared memory.
    private static IEnumerable<DotTile> Tiles(MatmulProblem problem, int mostTokens)
    {
        int tokens = Math.Min(RoundUp(problem.M), mostTokens), units = problem.GroupBlocks == 0 ? problem.Layout.Blocks : problem.Layout.Groups;
        if (units < 16)
        {
            yield return new DotTile(4, tokens, 1);
        }

        if (tokens == 1)
        {
            yield return problem.N <= 4096 ? new DotTile(32, 1, 1) : new DotTile(problem.Weights.Bits == 1 ? 8 : 16, 1, problem.Weights.Bits <= 3 ? 4 : 2, 1, true);
        }

        yield return new DotTile(8, tokens, 1, 1, true);

        // A number of slices that shares the groups or blocks without remainder.
        int even = Enumerable.Range(17, 15).LastOrDefault(s => units % s == 0);
        int[] slices = even > 0 ? [32, even, 16, 8, 4] : [32, 16, 8, 4];
        foreach (DotTile tile in
            from t in new[] { tokens, 4 }.Where(t => t <= tokens).Distinct()
            from s in slices
            from rows in new[] { 1, 2 }
            from depth in rows == 1 ? [1, 2, 4] : new[] { 1, 2 }
            from share in new[] { true, false }
            where tokens == 1 || (s <= 16 && depth <= 2)
            orderby rows, t descending
            select new DotTile(s, t, depth, rows, share))
        {
            yield return tile;
        }

        foreach (int s in new[] { 8, 16 })
        {
            yield return new DotTile(s, tokens, 1, 4, true);
        }
    }

    // Tiles of four tokens and of eight are each built for half of the widths.
    private static IEnumerable<DotTile> GeneralTiles(MatmulProblem problem) => [new DotTile(4, problem.M == 1 ? 1 : problem.Weights.Bits % 2 == 0 ? 4 : 8, 1)];

    // Software devices compile unrolled code slowly and gain nothing from it.
    private static IEnumerable<DotTile> SoftwareTiles(MatmulProblem problem) =>
        from t in new[] { Math.Min(RoundUp(problem.M), 2), 1 }
        from rows in new[] { 1, 2 }
        from share in new[] { false, true }
        from depth in new[] { 1, 2, 4 }
        select new DotTile(4, t, depth, rows, share);

    // Where N alone leaves processors without work. On paper worth it from some 200 KB of weights a workgroup on: what the last
    // one waits for the others' sums costs as much as reading these. Never a default: tuning takes them where they measure best.
    private static IEnumerable<DotTile> SplitTiles(MatmulProblem problem, bool software)
    {
        int tokens = Math.Min(RoundUp(problem.M), software ? 2 : 8);
        return problem.N > FewChannels ? []
            : software ? from rows in new[] { 1, 2 } from share in new[] { false, true } select new DotTile(4, tokens, 2, rows, share, 3)
            : from splits in new[] { 2, 4, 8 } from slices in new[] { 16, 8 } select new DotTile(slices, tokens, slices == 8 ? 2 : 1, Splits: splits);
    }

    private static IEnumerable<MatmulPlan> Fitting(VulkanDeviceFacts device, MatmulProblem problem, IEnumerable<DotTile> tiles) =>
        tiles.Select(t => Plan(device, problem, t)).OfType<MatmulPlan>().DistinctBy(k => k.Label);

    private static int RoundUp(int tokens) => (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)tokens);

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

/// <summary>shaders/matmul/dot.comp.</summary>
internal sealed record DotShader : MatmulShader
{
    /// <summary>Invocations of a workgroup: 32 for each slice of K.</summary>
    public required int Invocations { get; init; }

    /// <summary>Tokens of a workgroup.</summary>
    public required int Tokens { get; init; }

    /// <summary>Blocks in flight per invocation.</summary>
    public required int Depth { get; init; }

    /// <summary>Scale groups between barriers.</summary>
    public required int Round { get; init; }

    /// <summary>Rows per invocation.</summary>
    public required int Rows { get; init; }

    /// <summary>16-byte vectors of activations in shared memory, 0: none.</summary>
    public required int SharedX { get; init; }

    /// <summary>1: all groups are held at once; 2: two rounds of them.</summary>
    public required int Rounds { get; init; }

    /// <summary>Workgroups along K.</summary>
    public required int Splits { get; init; }

    /// <inheritdoc/>
    public override string Name => "dot";

    /// <inheritdoc/>
    public override int WorkgroupSize => Invocations;

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(7, Invocations);
        constants.Set(8, Tokens);
        constants.Set(9, Depth);
        constants.Set(10, Round);
        constants.Set(11, Rows);
        constants.Set(12, SharedX);
        constants.Set(13, Rounds);
        constants.Set(14, Splits);
    }
}
