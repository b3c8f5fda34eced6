using Portable.Execution;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Tensors;

/// <summary>
/// Tile of the prefill attention with cooperative matrices (shaders/include/attention_matrix.glsl: unsigned bytes, KV2 … KV8;
/// attention_digits_matrix.glsl: signed bytes, KV16): plain arithmetic over device facts.
/// </summary>
/// <param name="Matrix">Matrix shape.</param>
/// <param name="SubgroupSize">Invocations of a subgroup.</param>
/// <param name="Rows">Rows of a tile.</param>
/// <param name="RowGroups">Subgroups along the rows.</param>
/// <param name="ColumnGroups">Subgroups along keys and columns.</param>
/// <param name="Lean">Whether queries stay in shared memory and nothing is loaded ahead: slower where registers are many, without spills where they are few.</param>
internal sealed record AttentionTile(CooperativeMatrixShape Matrix, int SubgroupSize, int Rows, int RowGroups, int ColumnGroups, bool Lean = false)
{
    private const int Chunk = VulkanCache.ChunkTokens;

    // Of heads that are attended in registers: what an invocation has of a row's results, twice.
    private const int WidestInRegisters = 128;

    /// <summary>
    /// Whether every subgroup has 16 rows of its own that stay in its registers (shaders/include/attention_row_groups.glsl): for devices
    /// whose 16×16 sums lie in 32 invocations as it expects, which the first contact finds out.
    /// </summary>
    public bool InRegisters { get; init; }

    /// <summary>Invocations of a workgroup.</summary>
    public int Invocations => RowGroups * ColumnGroups * SubgroupSize;

    /// <summary>Name of the shader.</summary>
    public string ShaderName => ShaderFor(default).Name;

    /// <summary>The shader: matrices 8 codes deep are loaded from vectors of their own size.</summary>
    internal AttentionMatrixShader ShaderFor(AttentionConstants attention) => (Matrix.IsSignedByte, Matrix.K < 16) switch
    {
        (false, _) when InRegisters => new AttentionRowsShader { Workgroup = Invocations, Attention = attention, TileRows = Rows, Subgroup = SubgroupSize, FM = Matrix.M, FN = Matrix.N, FK = Matrix.K, RowGroups = RowGroups, Lean = Lean },
        (true, _) when InRegisters => new DigitRowsShader { Workgroup = Invocations, Attention = attention, TileRows = Rows, Subgroup = SubgroupSize, FM = Matrix.M, FN = Matrix.N, FK = Matrix.K, RowGroups = RowGroups, Lean = Lean },
        (false, false) => new DeepAttentionMatrixShader { Workgroup = Invocations, Attention = attention, TileRows = Rows, Subgroup = SubgroupSize, FM = Matrix.M, FN = Matrix.N, FK = Matrix.K, RowGroups = RowGroups, Lean = Lean },
        (false, true) => new ShallowAttentionMatrixShader { Workgroup = Invocations, Attention = attention, TileRows = Rows, Subgroup = SubgroupSize, FM = Matrix.M, FN = Matrix.N, FK = Matrix.K, RowGroups = RowGroups, Lean = Lean },
        (true, false) => new DeepDigitMatrixShader { Workgroup = Invocations, Attention = attention, TileRows = Rows, Subgroup = SubgroupSize, FM = Matrix.M, FN = Matrix.N, FK = Matrix.K, RowGroups = RowGroups, Lean = Lean },
        (true, true) => new ShallowDigitMatrixShader { Workgroup = Invocations, Attention = attention, TileRows = Rows, Subgroup = SubgroupSize, FM = Matrix.M, FN = Matrix.N, FK = Matrix.K, RowGroups = RowGroups, Lean = Lean },
    };

    /// <summary>The tile for a cache that device facts favour, or null where the device's matrices cannot serve it.</summary>
    public static AttentionTile? For(VulkanDeviceFacts device, CacheShape cache) => Candidates(device, cache).FirstOrDefault();

    /// <summary>The tiles that can serve a cache, the best first by device facts: the first of plain tiles and the first of lean ones.</summary>
    public static IEnumerable<AttentionTile> Candidates(VulkanDeviceFacts device, CacheShape cache)
    {
        bool software = device.Kind == VulkanDeviceKind.Cpu;
        int size = DeviceBudget.For(device).MatrixSubgroup, subgroups = Math.Max(1, DeviceBudget.For(device).AttentionInvocations / size);
        IEnumerable<AttentionTile> tiles =
            from shape in device.Matrices.OrderByDescending(s => s.M * s.N * s.K)
            from rows in software ? new[] { 16 } : [32, 16]
            from rowGroups in new[] { 2, 1, 4 }
            where subgroups % rowGroups == 0
            select new AttentionTile(shape, size, rows, rowGroups, subgroups / rowGroups);
        bool leanFirst = DeviceBudget.For(device).LeanAttention;
        IEnumerable<AttentionTile> inRegisters =
            from shape in device.Matrices
            where DeviceBudget.For(device).RowAttention > 0
            select new AttentionTile(shape, size, 16 * DeviceBudget.For(device).RowAttention, DeviceBudget.For(device).RowAttention, 1) { InRegisters = true };
        return !device.CooperativeMatrix ? [] : inRegisters.Where(t => t.Refusal(device, cache) is null).Take(1).Concat(new[] { leanFirst, !leanFirst }
            .Select(lean => tiles.Select(t => t with { Lean = lean }).FirstOrDefault(t => t.Refusal(device, cache) is null)).OfType<AttentionTile>());
    }

    /// <summary>Bytes of shared memory, as the shader declares them.</summary>
    public int SharedBytes(CacheShape cache)
    {
        int vector = Matrix.K < 16 ? 8 : 16, unit = Math.Max(16, Matrix.K);
        int depth = (cache.HeadSize + unit - 1) / unit * unit, columns = (cache.HeadSize + Matrix.N - 1) / Matrix.N * Matrix.N;
        if (InRegisters)
        {
            // Queries, keys and values in turn, both digits of a row side by side; of a subgroup 16 rows of two digits of 32 tokens; 16 bytes a token.
            int each = cache.Bits == 16 ? 2 : 1, stage_ = Math.Max(Math.Max(Rows, Chunk) * ((each * depth) + vector), columns * ((each * Chunk) + vector));
            return stage_ + (RowGroups * 16 * 80) + (16 * Chunk);
        }

        int keys = Math.Max(Rows, Chunk) * (depth + vector), digits = 2 * Rows * (Chunk + vector);
        int queries = Lean ? (cache.Bits == 16 ? 2 : 1) * Rows * (depth + vector) : 0;
        if (cache.Bits == 16)
        {
            // A digit of the keys or both of some columns of values; two integers a score; 28 bytes a row. Where matrices are 16 codes
            // deep, the low integers of scores lie in the places of keys, and digits and results in those of the high ones.
            int group = Matrix.N * ColumnGroups, most = Math.Max(group, Chunk / group * group), staged = Math.Min((cache.HeadSize + group - 1) / group * group, most);
            int plane = 16 * Rows * ((Chunk / 4) + 2), results = 4 * RowGroups * ColumnGroups * Matrix.M * Matrix.N, codes = Math.Max(keys, 2 * staged * (Chunk + vector));
            return (vector == 8 ? codes + digits + (2 * Math.Max(plane, results)) : Math.Max(codes, plane) + Math.Max(plane, digits + results)) + queries + (Rows * 28);
        }

        int stage = Math.Max(keys, columns * (Chunk + vector));

        // Digits lie in the places of the scores where matrices are 16 codes deep.
        int scores = 16 * Math.Max(Rows * ((Chunk / 4) + (vector == 8 ? 2 : 1)), RowGroups * ColumnGroups * Matrix.M * Matrix.N / 4);
        return stage + (vector == 8 ? digits : 0) + queries + scores + (Rows * (16 + 8 + 12));
    }

    /// <summary>Why the tile cannot serve, or null.</summary>
    public string? Refusal(VulkanDeviceFacts device, CacheShape cache) =>
        cache.Bits == 32 ? "no matrices keep the order of f32 sums"
        : InRegisters && (Matrix is not { M: 16, N: 16, K: 32 } || SubgroupSize != 32 || cache.HeadSize > WidestInRegisters) ? "no rows in registers"
        : Matrix.Workgroup || !(cache.Bits == 16 ? Matrix.IsSignedByte : Matrix is { A: MatrixElement.UInt8, B: MatrixElement.UInt8, C: MatrixElement.UInt32 }) ? $"the matrices are not of {(cache.Bits == 16 ? "signed" : "unsigned")} bytes"
        : Matrix.K is not (8 or 16 or 32 or 64) || Matrix.N % 4 != 0 || Rows % (RowGroups * Matrix.M) != 0 || Chunk % (ColumnGroups * Matrix.N) != 0 || Matrix.M * Matrix.N % SubgroupSize != 0 ? "the tile is no multiple of the matrix"
        : !InRegisters && (Invocations % (Chunk / 4) != 0 || Rows % (Invocations / (Chunk / 4)) != 0) ? "the rows do not divide among the invocations"
        : !device.KnowsSubgroupSize || Invocations > SubgroupSize * device.MaximumSubgroups ? "the subgroup size is not known, or subgroups are too many"
        : Invocations > device.MaximumInvocations ? "too many invocations"
        : SharedBytes(cache) > device.SharedMemoryBytes ? "too much shared memory"
        : null;
}
