using Portable.Execution;
using Portable.Vulkan.Engine;

namespace Portable.Vulkan.Model;

/// <summary>Kernels and their constants for one attention operation.</summary>
internal sealed class AttentionCall
{
    private const int SharedScores = 2048;
    private readonly VulkanContext _gpu;
    private readonly ModelMemory _memory;

    public AttentionCall(VulkanContext gpu, ModelMemory memory, Operation operation)
    {
        (_gpu, _memory) = (gpu, memory);
        QueryKeyValue = (VulkanActivation)operation.Source!;
        Rotary = (VulkanRotary?)operation.Weights;
        Cache = (VulkanCache)operation.Other!;
        Target = (VulkanActivation)operation.Target!;
        Heads = operation.Number;
    }

    public VulkanActivation QueryKeyValue { get; }

    public VulkanRotary? Rotary { get; }

    public VulkanCache Cache { get; }

    public VulkanActivation Target { get; }

    public int Heads { get; }

    /// <summary>Whether the cache holds halves rather than codes.</summary>
    public bool Half => Cache.Shape.Bits == 16;

    public AppendConstants AppendConstants => new(
        _memory.Batch.Rows, QueryKeyValue.Address, RotaryAddress, Cache.Keys.Address, Cache.Values.Address, ParametersAddress, _memory.Queries.Codes, _memory.Queries.Parameters, Shape);

    public HalfTileConstants HalfConstants => new(
        _memory.Batch.Rows, _memory.Batch.TileList, QueryKeyValue.Address, Cache.Keys.Address, Cache.Values.Address, Target.Address, Shape);

    public IntegerTileConstants IntegerConstants => new(
        _memory.Batch.Rows, _memory.Batch.TileList, _memory.Queries.Codes, _memory.Queries.Parameters, Cache.Keys.Address, Cache.Values.Address, ParametersAddress, Target.Address, Shape);

    public ComputePipeline AppendPipeline => Pipeline<AppendConstants>("attention_append", [_memory.AppendWorkgroup, .. Specialization]);

    public ComputePipeline HalfPipeline => Pipeline<HalfTileConstants>("attention_half", [_memory.AttentionWorkgroup, .. Specialization, (uint)_memory.Batch.TileRows]);

    /// <summary>The kernel over a quantized cache.</summary>
    /// <param name="matrices">Whether the tiles are for cooperative matrices.</param>
    public ComputePipeline IntegerPipeline(bool matrices) => matrices && _memory.MatrixTile is { } tile && tile.Refusal(_gpu.Facts, Cache.Shape) is null
        ? Pipeline<IntegerTileConstants>(tile.Shader, [(uint)tile.Invocations, .. Specialization, .. tile.Constants], tile.SubgroupSize)
        : Pipeline<IntegerTileConstants>("attention_integer", [_memory.AttentionWorkgroup, .. Specialization, (uint)_memory.Batch.TileRows]);

    private AttentionShapeConstants Shape => new(
        (uint)Heads, (uint)Cache.Shape.KeyValueHeads, (uint)VulkanCache.Chunks(Cache.Shape), (uint)(Cache.Shape.Sequences * Cache.Shape.KeyValueHeads));

    private ulong RotaryAddress => Rotary?.Buffer.Address ?? 0;

    private ulong ParametersAddress => Cache.Parameters?.Address ?? 0;

    private int CapacityTokens => VulkanCache.Chunks(Cache.Shape) * VulkanCache.ChunkTokens;

    private uint[] Specialization => SpecializationOf(Cache.Shape, Rotary is not null);

    /// <summary>The constants that every attention shader has, from the head size on.</summary>
    public static uint[] SpecializationOf(CacheShape shape, bool rotary)
    {
        float inverseLevels = 1f / ((1 << shape.Bits) - 1), scale = (float)(1 / Math.Sqrt(shape.HeadSize));
        return
        [
            (uint)shape.HeadSize,
            (uint)shape.Bits,
            (uint)VulkanCache.FieldBits(shape.Bits),
            BitConverter.SingleToUInt32Bits(inverseLevels),
            BitConverter.SingleToUInt32Bits(scale),
            rotary ? 1u : 0u,
        ];
    }

    /// <summary>The kernel of a decode step.</summary>
    /// <param name="input">What quantizes the attended row.</param>
    /// <param name="part">All of it, or its scores or sums where stretches of the context are attended apart.</param>
    /// <param name="stretches">The stretches.</param>
    public ComputePipeline DecodePipeline(VulkanInput input, DecodePart part, int stretches = 1)
    {
        int chunks = VulkanCache.Chunks(Cache.Shape), tokens = (chunks + stretches - 1) / stretches * VulkanCache.ChunkTokens;
        uint scores = part == DecodePart.Scores || tokens > SharedScores ? 1 : (uint)tokens;
        return Pipeline<DecodeConstants>(
            Half ? "decode_half" : "decode_integer",
            [_memory.DecodeWorkgroup, .. Specialization, scores, .. input.Specialization(_memory.DecodeWorkgroup), (uint)part]);
    }

    /// <summary>The push constants of a decode step.</summary>
    /// <param name="rowQuantizer">Address of the <see cref="RowQuantizerConstants"/>.</param>
    /// <param name="rows">Rows of the batch.</param>
    /// <param name="stretches">Workgroups that share a context.</param>
    public DecodeConstants DecodeConstants(ulong rowQuantizer, int rows, int stretches) => new()
    {
        Rows = _memory.Batch.Rows,
        QueryKeyValue = QueryKeyValue.Address,
        Rotary = RotaryAddress,
        Keys = Cache.Keys.Address,
        Values = Cache.Values.Address,
        Parameters = ParametersAddress,
        Attended = Target.Address,
        Finished = _memory.Finished.Address,
        HeadFinished = stretches > 1 ? _memory.Stretches.Finished : 0,
        Scratch = stretches > 1 ? _memory.Stretches.Scratch : CapacityTokens <= SharedScores ? 0 : _memory.Scores(rows, Heads, CapacityTokens),
        RowQuantizer = rowQuantizer,
        Shape = Shape,
    };

    private unsafe ComputePipeline Pipeline<T>(string shader, uint[] constants, int subgroupSize = 0)
        where T : unmanaged => _gpu.CreatePipeline(shader, sizeof(T), constants, subgroupSize);
}

/// <summary>What a dispatch of shaders/model/decode_half.comp or decode_integer.comp does (include/decode.glsl).</summary>
internal enum DecodePart
{
    All,
    Scores,
    Sums,
}
