using Portable.Execution;
using Portable.Reference.Blocks;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Operations;

/// <summary>Rotates queries and keys, appends keys and values to the cache, and attends over it.</summary>
internal readonly record struct AttentionOperation(VulkanActivation QueryKeyValue, AttentionLayout Layout, VulkanRotary? Rotary, VulkanCache Cache, VulkanActivation Attended) : IOperation
{
    public string Name => "Attention";

    private int Heads => Layout.Heads;

    /// <summary>Whether the cache holds codes of two digits.</summary>
    private bool Digits => Cache.Shape.Bits == 16;

    private AttentionConstants Constants => AttentionConstants.For(Cache.Shape, Layout, Rotary is not null);

    private AttentionSizes Sizes => new(
        (uint)Heads, (uint)Cache.Shape.KeyValueHeads, (uint)VulkanCache.Chunks(Cache.Shape), (uint)(Cache.Shape.Sequences * Cache.Shape.KeyValueHeads));

    private ulong RotaryAddress => Rotary?.Buffer.Address ?? 0;

    /// <summary>A decode step quantizes the attended row in the same dispatch where nothing else reads it.</summary>
    public int Record(PlanRecorder plan, ReadOnlySpan<IOperation> following)
    {
        if (plan.Key.SingleTokens && following.Length > 0 && following[0] is PrepareOperation next && next.X == Attended
            && (following.Length == 1 || following[1] is not PrepareOperation))
        {
            Decode(plan, next.Input);
            return 1;
        }

        Record(plan);
        return 0;
    }

    public void Record(PlanRecorder plan)
    {
        ModelMemory memory = plan.Memory;
        AppendShader append = Digits
            ? new AppendDigitsShader { Workgroup = memory.AppendWorkgroup, Attention = Constants }
            : new AppendCodesShader { Workgroup = memory.AppendWorkgroup, Attention = Constants };
        AppendPush appendPush = new(
            memory.Batch.Rows, QueryKeyValue.Address, RotaryAddress, Cache.Keys.Address, Cache.Values.Address, Cache.Parameters.Address, memory.Queries.Codes, memory.Queries.Parameters, Sizes);
        plan.Order([QueryKeyValue, Rotary], [Cache, memory.Queries]);
        int slots = Heads + (2 * Cache.Shape.KeyValueHeads);
        plan.Dispatch(append, appendPush, (slots + AppendShader.HeadsAtOnce - 1) / AppendShader.HeadsAtOnce, plan.Key.Rows);
        plan.Order([Cache, memory.Queries], [Attended]);
        AttentionTilePush push = new(
            memory.Batch.Rows, memory.Batch.TileList, memory.Queries.Codes, memory.Queries.Parameters, Cache.Keys.Address, Cache.Values.Address, Cache.Parameters.Address, Attended.Address, Sizes);
        plan.Dispatch(TileShader(plan), push, Heads, plan.Key.Tiles);
    }

    /// <summary>Scores twice and sums of two digits, or four products of digits for each, over the longest context that the cache has room for.</summary>
    public OperationWork Work(PlanKey key)
    {
        long tokens = Cache.Shape.Capacity;
        return new OperationWork(tokens * Cache.TokenBytes, (Digits ? 8L : 4L) * key.Rows * Heads * tokens * Cache.Shape.HeadSize);
    }

    /// <summary>Keys and values of every token that a sequence of the batch looks back on, activations in and out.</summary>
    public long Bytes(Batch batch)
    {
        long tokens = Enumerable.Range(0, batch.Rows).GroupBy(i => batch.Sequences[i]).Sum(s => s.Max(i => batch.Positions[i]) + 1L);
        return (tokens * Cache.TokenBytes) + (batch.Rows * (QueryKeyValue.RowBytes + Attended.RowBytes));
    }

    private AttentionTileShader TileShader(PlanRecorder plan) => plan.Key.Matrices && plan.Memory.MatrixTile is { } tile && tile.Refusal(plan.Gpu.Facts, Cache.Shape) is null
        ? tile.ShaderFor(Constants)
        : AttentionTileShader.WithoutMatrices(Constants, plan.Memory.AttentionWorkgroup, plan.Memory.Batch.TileRows);

    private void Decode(PlanRecorder plan, VulkanInput input)
    {
        int stretches = plan.Key.Stretches;
        GpuBuffer rowQuantizer = plan.Keep(plan.Gpu.Allocate<RowQuantizerMemory>([new(input.Map, input.Addresses, input.Sizes)]));
        DecodePush push = DecodePush(plan, rowQuantizer.Address);
        if (stretches == 1)
        {
            plan.Order([QueryKeyValue, Rotary], [Cache, Attended, input, plan.Memory.Finished]);
            plan.Dispatch(DecodeShader(plan, input, DecodePart.All), push, Heads, plan.Key.Rows);
            return;
        }

        if (Digits)
        {
            plan.Order([QueryKeyValue, Rotary], [Cache, plan.Memory.Stretches, Attended, input, plan.Memory.Finished]);
            plan.Dispatch(DecodeShader(plan, input, DecodePart.Sums), push, Heads, plan.Key.Rows, stretches);
            return;
        }

        plan.Order([QueryKeyValue, Rotary], [Cache, plan.Memory.Stretches]);
        plan.Dispatch(DecodeShader(plan, input, DecodePart.Scores), push, Heads, plan.Key.Rows, stretches);
        plan.Order([Cache], [plan.Memory.Stretches, Attended, input, plan.Memory.Finished]);
        plan.Dispatch(DecodeShader(plan, input, DecodePart.Sums), push, Heads, plan.Key.Rows, stretches);
    }

    private DecodeShader DecodeShader(PlanRecorder plan, VulkanInput input, DecodePart part)
    {
        int chunks = VulkanCache.Chunks(Cache.Shape), stretches = plan.Key.Stretches, tokens = (chunks + stretches - 1) / stretches * VulkanCache.ChunkTokens;
        int workgroup = plan.Memory.DecodeWorkgroup, scores = part == DecodePart.Scores || tokens > ModelMemory.SharedScores ? 1 : tokens;
        int segment = Math.Min(tokens, DecodeDigitsShader.Segment(plan.Gpu.Facts, Cache.Shape.HeadSize, input.Spec.Layout.Groups));
        RowQuantizer quantizer = input.Quantizer(workgroup);
        return Digits
            ? new DecodeDigitsShader { Workgroup = workgroup, Attention = Constants, ScoreCapacity = segment, Quantizer = quantizer, Part = part }
            : new DecodeIntegerShader { Workgroup = workgroup, Attention = Constants, ScoreCapacity = scores, Quantizer = quantizer, Part = part };
    }

    private DecodePush DecodePush(PlanRecorder plan, ulong rowQuantizer)
    {
        ModelMemory memory = plan.Memory;
        bool split = plan.Key.Stretches > 1;
        int capacity = VulkanCache.Chunks(Cache.Shape) * VulkanCache.ChunkTokens;
        return new DecodePush
        {
            Rows = memory.Batch.Rows,
            Qkv = QueryKeyValue.Address,
            Rotary = RotaryAddress,
            Keys = Cache.Keys.Address,
            Values = Cache.Values.Address,
            Parameters = Cache.Parameters.Address,
            Attended = Attended.Address,
            Finished = memory.Finished.Address,
            HeadFinished = split ? memory.Stretches.Finished : 0,
            Scratch = split ? memory.Stretches.Scratch : Digits || capacity <= ModelMemory.SharedScores ? 0 : memory.Scores(plan.Key.Rows, Heads, capacity),
            RowQuantizer = rowQuantizer,
            Shape = Sizes,
        };
    }
}
