using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Matmul.Techniques;

/// <summary>Cooperative matrices of signed bytes for few tokens: subgroups share K and wait for none of the others while weights stream past.</summary>
internal sealed class CooperativeStreamTechnique : MatmulTechnique
{
    // Tokens beyond which every weight is read too often.
    private const int MostTokens = 128;

    public override string Name => "coopmat_stream";

    public override string? Refusal(VulkanDeviceFacts device, MatmulProblem problem) =>
        MatmulTechniques.Named("coopmat").Refusal(device, problem)
        ?? (problem.M > MostTokens ? FormattableString.Invariant($"more than {MostTokens} tokens") : Tiles(device, problem).Any() ? null : "no tile of the device's matrices fits");

    public override IEnumerable<MatmulPlan> Candidates(VulkanDeviceFacts device, MatmulProblem problem) =>
        Refusal(device, problem) is not null ? [] : Tiles(device, problem).Select(t => Plan(t, problem, unrolled: !device.CompiledForHost));

    public override double Estimate(VulkanDeviceFacts device, MatmulProblem problem) =>
        4000 + Math.Max(problem.WeightBytes / 2500.0 * ((problem.M + 63) / 64), problem.MultiplyAdds * problem.Digits / 100000.0);

    /// <summary>Tiles that fit, the likeliest first (an NVIDIA H200): all tokens at once up to 16, then half of them and twice the channels; 16 where registers are few.</summary>
    internal static IEnumerable<StreamTile> Tiles(VulkanDeviceFacts device, MatmulProblem problem)
    {
        const int FewChannels = 8192;
        int subgroup = DeviceBudget.For(device).MatrixSubgroup;
        if (device.Kind == VulkanDeviceKind.Cpu)
        {
            // One tile first, whatever the tokens: where LLVM compiles kernels they cost more than they run.
            return (from shape in Shapes(device)
                    from tile in new (int Slices, int Rows, int Tokens, int Sets)[] { (2, 1, 1, 1), (3, 2, 1, 2), (4, 1, 2, 2), (3, 1, 2, 3) }
                    select new StreamTile(shape, subgroup, tile.Slices, tile.Rows, tile.Tokens * shape.N, tile.Sets)).Where(t => t.Refusal(device, problem) is null);
        }

        bool few = problem.M <= 8, wide = problem.N > FewChannels;
        return from shape in Shapes(device)
               let all = Math.Max(shape.N, Math.Min(64, (int)System.Numerics.BitOperations.RoundUpToPowerOf2((uint)problem.M)))
               from tokens in all > 16 ? new[] { all / 2, all, 16 }.Distinct() : [all]
               from sets in few ? [2, 3, 1] : new[] { 1, 2 }
               from slices in (few && wide) || all > 16 ? [8, 16] : new[] { 16, 8 }
               from rows in all > 16 ? [2, 1] : new[] { 1, 2 }
               let tile = new StreamTile(shape, subgroup, slices, rows, tokens, sets)
               where tile.Refusal(device, problem) is null
               select tile;
    }

    private static MatmulPlan Plan(StreamTile tile, MatmulProblem problem, bool unrolled) => new(
        "coopmat_stream",
        $"coopmat_stream {tile}",
        new CoopmatStreamShader
        {
            Invocations = tile.Invocations,
            Subgroup = tile.SubgroupSize,
            FM = tile.Matrix.M,
            FN = tile.Matrix.N,
            FK = tile.Matrix.K,
            RowTiles = tile.RowTiles,
            Tokens = tile.Tokens,
            Sets = tile.Sets,
            Batch = tile.Batch(problem.Digits),
            Unrolled = unrolled,
        },
        (problem.N + tile.Channels - 1) / tile.Channels,
        (problem.M + tile.Tokens - 1) / tile.Tokens);

    // Weights are the rows, and few tokens the columns: the shape with the fewest, if there are several.
    private static IEnumerable<CooperativeMatrixShape> Shapes(VulkanDeviceFacts device) =>
        device.Matrices.Where(s => s.IsSignedByte && !s.Workgroup && GpuLinear.TileRows % s.M == 0 && s.M % 4 == 0 && s.N is 8 or 16 or 32 && s.K is 8 or 16 or 32)
            .OrderBy(s => s.N).ThenByDescending(s => s.M * s.K).Take(1);
}

/// <summary>Tile of the streaming kernel.</summary>
/// <param name="Matrix">Matrix shape: channels, tokens, depth.</param>
/// <param name="SubgroupSize">Invocations of a subgroup.</param>
/// <param name="Slices">Subgroups of a workgroup, which share K.</param>
/// <param name="RowTiles">Tiles of 32 channels of a workgroup.</param>
/// <param name="Tokens">Tokens of a workgroup.</param>
/// <param name="Sets">Blocks of a subgroup on their way.</param>
internal sealed record StreamTile(CooperativeMatrixShape Matrix, int SubgroupSize, int Slices, int RowTiles, int Tokens, int Sets)
{
    /// <summary>Channels of a workgroup.</summary>
    public int Channels => GpuLinear.TileRows * RowTiles;

    /// <summary>Invocations of a workgroup.</summary>
    public int Invocations => Slices * SubgroupSize;

    // 16-byte vectors of a subgroup's half block, as the shader declares them.
    private int Region(int digits) => (Channels + (Tokens * digits)) * ((32 / (Matrix.K < 16 ? 8 : 16)) + 1);

    private int Sums => Matrix.M * Matrix.N / 4;

    private int Matrices(int digits) => Channels / Matrix.M * (Tokens / Matrix.N) * digits;

    /// <summary>Matrices of sums that each subgroup leaves at once: as many as lie where its half block lay.</summary>
    public int Batch(int digits)
    {
        int pairs = Matrices(digits) / digits, fit = Math.Max(1, Region(digits) / (Sums * digits));
        return digits * Enumerable.Range(1, Math.Min(fit, pairs)).Last(p => pairs % p == 0);
    }

    /// <summary>Bytes of shared memory.</summary>
    public int SharedBytes(int digits) => 16 * Slices * Math.Max(Region(digits), Batch(digits) * Sums);

    /// <summary>32-bit registers of an invocation: sums, and blocks on their way.</summary>
    public int Held(MatmulProblem problem)
    {
        int blocks = (Channels + SubgroupSize - 1) / SubgroupSize, vectors = ((Tokens * problem.Digits * 4) + SubgroupSize - 1) / SubgroupSize;
        return (Matrices(problem.Digits) * Matrix.M * Matrix.N / SubgroupSize) + (Sets * ((2 * problem.Weights.Bits * blocks) + (4 * vectors)));
    }

    /// <summary>Why the tile cannot serve, or null.</summary>
    public string? Refusal(VulkanDeviceFacts device, MatmulProblem problem)
    {
        const int Registers = 65536, Others = 44, Most = 208;
        DeviceBudget budget = DeviceBudget.For(device);
        return GpuLinear.TileRows % Matrix.M != 0 || Tokens % Matrix.N != 0 ? "the tile is no multiple of the matrix"
            : Invocations > device.MaximumInvocations ? "too many invocations"
            : Slices > device.MaximumSubgroups ? "too many subgroups"
            : Held(problem) > Math.Min(Most, (Registers / Invocations) - Others) || Held(problem) > Math.Min(budget.TileRegisters, budget.Accumulators + 64) ? "too many registers"
            : SharedBytes(problem.Digits) > device.SharedMemoryBytes ? "too much shared memory"
            : null;
    }

    /// <summary>Tile as text.</summary>
    public override string ToString() => FormattableString.Invariant($"{Tokens}x{Channels}/{Matrix.M}x{Matrix.N}x{Matrix.K} s{Slices} a{Sets}");
}

/// <summary>shaders/matmul/coopmat_stream.comp.</summary>
internal sealed record CoopmatStreamShader : MatrixMatmulShader
{
    /// <summary>Tiles of 32 channels of a workgroup.</summary>
    public required int RowTiles { get; init; }

    /// <summary>Tokens of a workgroup.</summary>
    public required int Tokens { get; init; }

    /// <summary>Blocks of a subgroup on their way.</summary>
    public required int Sets { get; init; }

    /// <summary>Matrices of sums that each subgroup leaves at once.</summary>
    public required int Batch { get; init; }

    /// <summary>Whether products are unrolled.</summary>
    public required bool Unrolled { get; init; }

    /// <inheritdoc/>
    public override string Name => "coopmat_stream";

    /// <inheritdoc/>
    public override void Specialize(SpecializationConstants constants)
    {
        base.Specialize(constants);
        constants.Set(12, RowTiles);
        constants.Set(13, Tokens);
        constants.Set(14, Sets);
        constants.Set(15, Batch);
        constants.Set(16, Unrolled);
    }
}
