using System.Diagnostics.CodeAnalysis;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Matmul.Techniques;

/// <summary>Cooperative matrices of signed bytes at subgroup scope, tiles in shared memory: from a few dozen tokens upward.</summary>
internal sealed class CooperativeMatrixTechnique : MatmulTechnique
{
    // Workgroup tile (BM, BN) and subgroup tile (WM, WN), best guess first for many tokens.
    private static readonly (int BM, int BN, int WM, int WN)[] TileSizes =
    [
        (128, 128, 64, 64), (128, 256, 64, 64), (256, 128, 64, 64), (128, 128, 64, 32), (128, 128, 32, 64), (64, 128, 32, 64), (64, 128, 64, 32),
        (64, 64, 32, 32), (32, 128, 32, 32), (32, 64, 32, 16), (16, 128, 16, 32), (16, 64, 16, 16), (16, 16, 16, 16), (32, 64, 8, 16), (8, 64, 8, 16), (8, 32, 8, 8), (8, 16, 8, 16),
    ];

    // Channels that K is split for before anything was tuned: an NVIDIA H200 has as many workgroups as processors from there on.
    private const int FewChannels = 8192;

    public override string Name => "coopmat";

    public override string? Refusal(VulkanDeviceFacts device, MatmulProblem problem) =>
        !device.CooperativeMatrix ? "the device lacks VK_KHR_cooperative_matrix with bytes"
        : !device.KnowsSubgroupSize ? "the driver fixes no subgroup size for compute (requiredSubgroupSizeStages)"
        : Shapes(device).Any() ? null : "the device has no signed-byte matrices of subgroup scope that tiles can be made of, with f32 accumulators of their shape";

    public override IEnumerable<MatmulPlan> Candidates(VulkanDeviceFacts device, MatmulProblem problem) =>
        Refusal(device, problem) is not null ? [] : Tiles(device, problem).Select(t => Kernel(t, problem, unrolled: !device.CompiledForHost));

    public override double Estimate(VulkanDeviceFacts device, MatmulProblem problem) =>
        4000 + Math.Max(problem.WeightBytes / 900.0, problem.MultiplyAdds * problem.Digits / 200000.0 * (problem.M < 16 ? 16.0 / problem.M : 1));

    /// <summary>Tiles that fit: first the one that measurements on an NVIDIA H200 favour, then those that waste least on M.</summary>
    internal static IEnumerable<MatrixTile> Tiles(VulkanDeviceFacts device, MatmulProblem problem) =>
        Shapes(device).Select(s => Preferred(device, problem, s)).Concat(SplitTiles(device, problem)).Concat(AllTiles(device, problem)).Where(t => t.Refusal(device, problem) is null).Distinct();

    private static MatmulPlan Kernel(MatrixTile tile, MatmulProblem problem, bool unrolled)
    {
        CoopmatShader shader = new()
        {
            Invocations = tile.Invocations,
            Subgroup = tile.SubgroupSize,
            FM = tile.Matrix.M,
            FN = tile.Matrix.N,
            FK = tile.Matrix.K,
            BM = tile.BM,
            BN = tile.BN,
            WM = tile.WM,
            WN = tile.WN,
            StepBlocks = tile.StepBlocks,
            Stages = tile.Stages,
            RowTiles = 8,
            Unrolled = unrolled,
            Sets = tile.Sets,
        };
        return new MatmulPlan("coopmat", $"coopmat {tile}", tile.Splits == 1 ? shader : new CoopmatSplitShader(shader) { Splits = tile.Splits }, tile.Tiles(problem), 1)
        {
            Splits = tile.Splits,
            ScratchBytes = tile.ScratchBytes(problem),
        };
    }

    // One stage, and with many workgroups short steps: NVIDIA's driver gives a processor some 50 KB of shared memory, which is two
    // workgroups of 24 KB or one of more, and two overlap better than two stages do. Two steps in registers hide the way to memory
    // where there is room: with groups, and for bytes, which are stored as they come.
    private static MatrixTile Preferred(VulkanDeviceFacts device, MatmulProblem problem, CooperativeMatrixShape shape)
    {
        const int EnoughWorkgroups = 256;
        int size = DeviceBudget.For(device).MatrixSubgroup;
        bool large = (problem.M + 127) / 128 * ((problem.N + 127) / 128) >= EnoughWorkgroups;
        MatrixTile split = problem.M <= 16 ? new MatrixTile(shape, size, 16, 64, 16, 16, 2, 1) : problem.M <= 32 ? new MatrixTile(shape, size, 32, 64, 16, 32, 2, 1) : new MatrixTile(shape, size, 64, 64, 32, 16, 2, 1);
        split = split with { Splits = 4 };
        return device.Kind == VulkanDeviceKind.Cpu ? new MatrixTile(shape, size, 8, 32, 8, 8, 1, 2)
            : DeviceBudget.For(device).SplitsMatrices && problem.N <= FewChannels && split.Refusal(device, problem) is null ? split
            : problem.M <= 32 ? new MatrixTile(shape, size, 16, 64, 16, 16, 2, 1)
            : problem.M <= 64 ? new MatrixTile(shape, size, 32, 64, 32, 16, 2, 1)
            : problem.GroupBlocks != 0 && problem.GroupBlocks % 2 == 0 ? new MatrixTile(shape, size, 128, 128, 64, 32, 2, 1, 2)
            : problem.GroupBlocks != 0 ? new MatrixTile(shape, size, 64, 128, 64, 32, 1, 1, 2)
            : large ? new MatrixTile(shape, size, 128, 128, 64, 64, 1, 1, problem.Weights.Bits == 8 ? 2 : 1)
            : new MatrixTile(shape, size, 128, 128, 64, 64, 2, 1);
    }

    private static IEnumerable<MatrixTile> AllTiles(VulkanDeviceFacts device, MatmulProblem problem) =>
        from stages in new[] { 1, 2 }
        from shape in Shapes(device)
        from tile in TileSizes.OrderBy(t => Waste(t.BM, problem.M))
        from step in new[] { 2, 1 }
        from sets in new[] { 1, 2 }
        where device.Kind != VulkanDeviceKind.Cpu || (tile.WM <= 8 && step == 1)
        select new MatrixTile(shape, DeviceBudget.For(device).MatrixSubgroup, tile.BM, tile.BN, tile.WM, tile.WN, step, stages, sets);

    // Few tokens and channels: workgroups that share K fill the device. What they leave for the last of them is worth it up to some five for a processor.
    private static IEnumerable<MatrixTile> SplitTiles(VulkanDeviceFacts device, MatmulProblem problem)
    {
        const int FewestWorkgroups = 96, MostWorkgroups = 660;
        int size = DeviceBudget.For(device).MatrixSubgroup;
        return problem.GroupBlocks != 0 || problem.M > 64 ? []
            : device.Kind == VulkanDeviceKind.Cpu ? Shapes(device).Take(1).SelectMany(s => new[] { new MatrixTile(s, size, 8, 16, 8, 8, 1, 1) { Splits = 2 }, new MatrixTile(s, size, 16, 16, 8, 16, 2, 1, 2) { Splits = 3 } })
            : from shape in Shapes(device).Take(1)
              from tile in problem.M <= 16 ? [(16, 64, 16, 16), (16, 128, 16, 16)] : problem.M <= 32 ? [(32, 64, 16, 32)] : new[] { (64, 64, 32, 16), (64, 64, 32, 32), (64, 128, 32, 32) }
              from sets in problem.M <= 16 ? [1, 3] : new[] { 1 }
              from step in problem.M <= 32 ? [2] : new[] { 2, 1 }
              from splits in new[] { 4, 2, 8 }
              let t = new MatrixTile(shape, size, tile.Item1, tile.Item2, tile.Item3, tile.Item4, step, 1, sets) { Splits = splits }
              where t.Tiles(problem) * splits is >= FewestWorkgroups and <= MostWorkgroups
              select t;
    }

    // Rows of padding that a tile height costs, in percent; large tiles win among equals because the list has them first.
    private static int Waste(int tile, int m) => (m + tile - 1) / tile * tile * 100 / m / 10;

    private static IEnumerable<CooperativeMatrixShape> Shapes(VulkanDeviceFacts device) =>
        device.Matrices.Where(s => s.IsSignedByte && !s.Workgroup && s.M <= 32 && s.N <= 32 && s.K is 8 or 16 or 32 or 64 && s.N % 4 == 0 && device.HasFloatAccumulator(s.M, s.N)).OrderByDescending(s => s.M * s.N * s.K);
}

/// <summary>shaders/matmul/coopmat.comp.</summary>
internal record CoopmatShader : MatrixMatmulShader
{
    /// <summary>Tokens of a workgroup.</summary>
    public required int BM { get; init; }

    /// <summary>Channels of a workgroup.</summary>
    public required int BN { get; init; }

    /// <summary>Tokens of a subgroup.</summary>
    public required int WM { get; init; }

    /// <summary>Channels of a subgroup.</summary>
    public required int WN { get; init; }

    /// <summary>Blocks of 64 columns of a step.</summary>
    public required int StepBlocks { get; init; }

    /// <summary>Copies of the tiles in shared memory.</summary>
    public required int Stages { get; init; }

    /// <summary>Tiles along M that neighbouring workgroups share weights over.</summary>
    public required int RowTiles { get; init; }

    /// <summary>Whether products are unrolled.</summary>
    public required bool Unrolled { get; init; }

    /// <summary>Steps on their way to shared memory in registers.</summary>
    public required int Sets { get; init; }

    /// <inheritdoc/>
    public override string Name => "coopmat";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(12, BM);
        constants.Set(13, BN);
        constants.Set(14, WM);
        constants.Set(15, WN);
        constants.Set(16, StepBlocks);
        constants.Set(17, Stages);
        constants.Set(18, RowTiles);
        constants.Set(19, Unrolled);
        constants.Set(20, Sets);
    }
}

/// <summary>shaders/matmul/coopmat_split.comp: the same, K shared by workgroups.</summary>
internal sealed record CoopmatSplitShader : CoopmatShader
{
    /// <summary>A tile whose K is shared.</summary>
    [SetsRequiredMembers]
    public CoopmatSplitShader(CoopmatShader tile)
        : base(tile)
    {
    }

    /// <summary>Workgroups along K.</summary>
    public required int Splits { get; init; }

    /// <inheritdoc/>
    public override string Name => "coopmat_split";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(21, Splits);
    }
}
