using Portable.Vulkan.Devices;
using Portable.Vulkan.Matmul.Operands;

namespace Portable.Vulkan.Matmul.Techniques;

/// <summary>Tile of the cooperative-matrix kernel: plain arithmetic over device facts, tested with invented ones.</summary>
/// <param name="Matrix">Matrix shape.</param>
/// <param name="SubgroupSize">Invocations of a subgroup.</param>
/// <param name="BM">Tokens per workgroup.</param>
/// <param name="BN">Channels per workgroup.</param>
/// <param name="WM">Tokens per subgroup.</param>
/// <param name="WN">Channels per subgroup.</param>
/// <param name="StepBlocks">Blocks of 64 columns per step.</param>
/// <param name="Stages">Copies of the tiles in shared memory.</param>
/// <param name="Sets">Steps on their way to shared memory in registers: 1, or more with one stage.</param>
internal sealed record MatrixTile(CooperativeMatrixShape Matrix, int SubgroupSize, int BM, int BN, int WM, int WN, int StepBlocks, int Stages, int Sets = 1)
{
    // Tiles of outputs that K can be split for, as in coopmat_split.comp.
    private const int MostSplit = 1024;

    // Of 255 registers with two steps under way: matrices to be multiplied and addresses take some 50.
    private const int MostHeld = 208;

    /// <summary>Workgroups along K: more than one with one scale group, one tile of rows and one stage.</summary>
    public int Splits { get; init; } = 1;

    /// <summary>Invocations of a workgroup.</summary>
    public int Invocations => BM / WM * (BN / WN) * SubgroupSize;

    /// <summary>32-bit accumulators per invocation.</summary>
    /// <param name="digits">Activation digits.</param>
    /// <param name="grouped">Scale groups: f32 sums beside the integers.</param>
    public int Accumulators(int digits, bool grouped) => WM * WN / SubgroupSize * (digits + (grouped ? 1 : 0));

    /// <summary>32-bit registers per invocation of one step on its way to shared memory.</summary>
    public int Held(MatmulProblem problem)
    {
        int vectors = (BM * problem.Digits * 4 * StepBlocks + Invocations - 1) / Invocations, blocks = (BN * StepBlocks + Invocations - 1) / Invocations;
        return (4 * vectors) + (2 * problem.Weights.Bits * blocks);
    }

    /// <summary>Tiles of outputs.</summary>
    public int Tiles(MatmulProblem problem) => (problem.M + BM - 1) / BM * ((problem.N + BN - 1) / BN);

    /// <summary>Bytes of counters and integers that workgroups along K share.</summary>
    public long ScratchBytes(MatmulProblem problem) => Splits == 1 ? 0 : 4 * (MostSplit + ((long)Tiles(problem) * Splits * problem.Digits * BM * BN));

    /// <summary>Bytes of shared memory, as the shader declares them.</summary>
    public int SharedBytes(MatmulProblem problem)
    {
        int codes = Matrix.K < 16 ? 8 : 16, stride = 64 * StepBlocks / codes + 1;
        int tiles = (BM * problem.Digits + BN) * stride * Stages;
        int scratch = Matrix.M * Matrix.N / 4 * (Invocations / SubgroupSize);
        int vectors = problem.Output == MatmulOutput.Integers ? tiles + scratch : Math.Max(tiles, scratch);
        return 16 * vectors + (problem.GroupBlocks == 0 ? 1 : 2) * 4 * (BM * (1 + 2 * problem.Digits) + BN * 3);
    }

    /// <summary>Why the tile cannot serve, or null.</summary>
    public string? Refusal(VulkanDeviceFacts device, MatmulProblem problem)
    {
        int vectorCodes = Matrix.K < 16 ? 8 : 16;
        return WM % Matrix.M != 0 || WN % Matrix.N != 0 || BM % WM != 0 || BN % WN != 0 || 64 % Matrix.K != 0 || Matrix.K % vectorCodes != 0 || Matrix.N % 4 != 0
                ? "the tile is no multiple of the matrix"
            : Invocations > device.MaximumInvocations ? "too many invocations"
            : Invocations > SubgroupSize * device.MaximumSubgroups ? "too many subgroups"
            : Accumulators(problem.Digits, problem.GroupBlocks != 0) > DeviceBudget.For(device).Accumulators ? "too many accumulators"
            : problem.GroupBlocks != 0 && problem.GroupBlocks % StepBlocks != 0 ? "a step would straddle scale groups"
            : Splits > 1 && (problem.GroupBlocks != 0 || problem.M > BM || Stages > 1 || Tiles(problem) > MostSplit || Splits * StepBlocks > problem.Layout.Blocks) ? "K is not split"
            : Sets > 1 && (Stages > 1 || Accumulators(problem.Digits, problem.GroupBlocks != 0) + (Sets * Held(problem)) > MostHeld) ? "no room for a second step in registers"
            : Accumulators(problem.Digits, problem.GroupBlocks != 0) + (Sets * Held(problem)) > DeviceBudget.For(device).TileRegisters ? "no room for a step in registers"
            : SharedBytes(problem) > device.SharedMemoryBytes ? "too much shared memory"
            : null;
    }

    /// <summary>Tile as text.</summary>
    public override string ToString() => FormattableString.Invariant($"{BM}x{BN}x{64 * StepBlocks}/{WM}x{WN}/{Matrix.M}x{Matrix.N}x{Matrix.K} s{Stages}{(Sets > 1 ? $" a{Sets}" : "")}{(Splits > 1 ? $" k{Splits}" : "")}");
}
