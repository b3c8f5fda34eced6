using Portable.Execution;
using Portable.Reference.Blocks;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Operations;

/// <summary>Normalises and rotates queries and keys, appends keys and values to the cache, and attends over it.</summary>
internal readonly record struct AttentionOperation(VulkanActivation QueryKeyValue, AttentionLayout Layout, DeviceHeads Parts, VulkanCache Cache, VulkanActivation Attended) : IOperation
{
    public string Name => "Attention";

    private int Heads => Layout.Heads;

    /// <summary>Whether the cache holds codes of two digits.</summary>
    private bool Digits => Cache.Shape.Bits == 16;

    private VulkanRotary? Rotary => (VulkanRotary?)Parts.Rotary;

    private AttentionConstants Constants => AttentionConstants.For(Cache.Shape, Layout);

    private HeadPreparation Preparation => Parts is { QueryNorm: VulkanNorm query, KeyNorm: VulkanNorm key }
        ? new(Rotary?.Pairs ?? 0, Rotary?.HasQueries ?? false, Layout.QueryKeyNorm, query.Epsilon, 1f / query.Width, 1f / key.Width)
        : new(Rotary?.Pairs ?? 0, Rotary?.HasQueries ?? false, QueryKeyNorm.None, 0, 0, 0);

    /// <summary>Chunks of the cache that a row sees at most.</summary>
    private int SeenChunks => VulkanCache.SeenChunks(Cache.Shape, Layout.Window);

    /// <summary>Whether the scores of a context that is not shared lie in memory.</summary>
    private bool ScoresInMemory => !Digits && SeenChunks * VulkanCache.ChunkTokens > ModelMemory.SharedScores;

    private AttentionSizes Sizes => new(
        (uint)Heads, (uint)Cache.Shape.KeyValueHeads, (uint)VulkanCache.Chunks(Cache.Shape), (uint)VulkanCache.Pages(Cache.Shape));

    private ulong RotaryAddress => Rotary?.Buffer.Address ?? 0;

    private ulong QueryGain => (Parts.QueryNorm as VulkanNorm)?.Buffer.Address ?? 0;

    private ulong KeyGain => (Parts.KeyNorm as VulkanNorm)?.Buffer.Address ?? 0;

    /// <summary>A decode step quantizes the attended row in the same dispatch where nothing else reads it, or leaves that to the product that reads it.</summary>
    public int Record(PlanRecorder plan, ReadOnlySpan<IOperation> following)
    {
        if (plan.Key.SingleTokens && Cache.Shape.Bits != 32 && following.Length > 0 && following[0] is PrepareOperation next && next.X == Attended
            && (following.Length == 1 || following[1] is not PrepareOperation))
        {
            if (FusedProducts.CanPrepare(plan, next.Input, following[1..]))
            {
                Decode(plan, null);
                return 0;
            }

            Decode(plan, next.Input);
            return 1;
        }

        Record(plan);
        return 0;
    }

    public void Record(PlanRecorder plan)
    {
        ModelMemory memory = plan.Memory;
        AppendShader append = Cache.Shape.Bits == 32
            ? new AppendFloatsShader { Workgroup = memory.AppendWorkgroup, Attention = Constants, Heads = Preparation }
            : Digits
            ? new AppendDigitsShader { Workgroup = memory.AppendWorkgroup, Attention = Constants, Heads = Preparation }
            : new AppendCodesShader { Workgroup = memory.AppendWorkgroup, Attention = Constants, Heads = Preparation };
        AppendPush appendPush = new(
            memory.Batch.Rows, QueryKeyValue.Address, RotaryAddress, Cache.Keys.Address, Cache.Values.Address, Cache.Parameters.Address, memory.Queries.Codes, memory.Queries.Parameters, QueryGain, KeyGain, Sizes);
        plan.Order([QueryKeyValue, Rotary], [Cache, memory.Queries]);
        int slots = Heads + (2 * Cache.Shape.KeyValueHeads);
        plan.Dispatch(append, appendPush, (slots + AppendShader.HeadsAtOnce - 1) / AppendShader.HeadsAtOnce, plan.Key.Rows);
        plan.Order([Cache, memory.Queries], [Attended]);
        AttentionTilePush push = new(
            memory.Batch.Rows, memory.Batch.TileList, memory.Queries.Codes, memory.Queries.Parameters, Cache.Keys.Address, Cache.Values.Address, Cache.Parameters.Address, Attended.Address, Sizes);
        plan.Dispatch(TileShader(plan), push, Heads, plan.Key.Tiles);
    }

    /// <summary>Scores twice and sums of two digits, or four products of digits for each, over the longest context that the cache has room for, or a window of it.</summary>
    public OperationWork Work(PlanKey key)
    {
        long tokens = Math.Min(Cache.Shape.Capacity, SeenChunks * VulkanCache.ChunkTokens);
        return new OperationWork(tokens * Cache.TokenBytes, (Digits ? 8L : 4L) * key.Rows * Heads * tokens * Cache.Shape.HeadSize);
    }

    /// <summary>Keys and values of every token that a sequence of the batch looks back on, activations in and out.</summary>
    public long Bytes(Batch batch)
    {
        AttentionLayout layout = Layout;
        long tokens = Enumerable.Range(0, batch.Rows).GroupBy(i => batch.Sequences[i], i => batch.Positions[i]).Sum(s => s.Max() + 1L - layout.FirstSeen(s.Min()));
        return (tokens * Cache.TokenBytes) + (batch.Rows * (QueryKeyValue.RowBytes + Attended.RowBytes));
    }

    private AttentionTileShader TileShader(PlanRecorder plan) => plan.Key.Matrices && plan.Memory.MatrixTile is { } tile && tile.Refusal(plan.Gpu.Facts, Cache.Shape) is null
        ? tile.ShaderFor(Constants)
        : AttentionTileShader.WithoutMatrices(Constants, plan.Memory.AttentionWorkgroup, plan.Memory.Batch.TileRows);

    /// <summary>Attends for one token a row, and quantizes the row for an input; null: it stays f32.</summary>
    private void Decode(PlanRecorder plan, VulkanInput? input)
    {
        int stretches = Stretches(plan);
        ulong rowQuantizer = input is null ? Attended.Address : plan.Keep(plan.Gpu.Allocate<RowQuantizerMemory>([new(input.Map, input.Addresses, input.Sizes)])).Address;
        DecodePush push = DecodePush(plan, rowQuantizer);
        if (stretches == 1)
        {
            Dispatch(plan, DecodeShader(plan, input, DecodePart.All), push, [Cache, ScoresInMemory ? plan.Memory.ScoreMemory : null, input, input is null ? null : plan.Memory.Finished], 1);
            return;
        }

        if (Digits)
        {
            Dispatch(plan, DecodeShader(plan, input, DecodePart.Sums), push, [Cache, plan.Memory.Stretches, input, input is null ? null : plan.Memory.Finished], stretches);
            return;
        }

        Dispatch(plan, DecodeShader(plan, input, DecodePart.Scores), push, [Cache, plan.Memory.Stretches], stretches);
        plan.Order([Cache], [plan.Memory.Stretches, Attended, input, plan.Memory.Finished]);
        plan.Dispatch(DecodeShader(plan, input, DecodePart.Sums), push, Heads, plan.Key.Rows, stretches);
    }

    // Linked where it reads a linked row and quantizes none: a dispatch that does needs the places of what linked ones are told for that.
    private void Dispatch(PlanRecorder plan, DecodeShader shader, DecodePush push, ReadOnlySpan<IDeviceMemory?> writes, int stretches)
    {
        bool leaves = shader.Part != DecodePart.Scores;
        if (shader.Quantizer != RowQuantizer.None || !plan.IsLinked(QueryKeyValue))
        {
            plan.Order([QueryKeyValue, Rotary], leaves ? [Attended, .. writes] : writes);
        }
        else if (plan.Link(QueryKeyValue, leaves ? Attended : null, Heads * Cache.Shape.HeadSize, false, [Rotary], writes) is { } places)
        {
            shader = shader with { Linked = true, Leaves = (places.Y is null ? 0u : 1) | (places.Plain ? 2u : 0) };
            push = push with { Qkv = places.X!.Value, Finished = places.Y ?? push.Qkv, RowQuantizer = places.Undone };
        }

        plan.Dispatch(shader, push, Heads - (shader.Linked ? plan.Absent : 0), plan.Key.Rows, stretches);
    }

    private DecodeShader DecodeShader(PlanRecorder plan, VulkanInput? input, DecodePart part)
    {
        int stretches = Stretches(plan), tokens = (SeenChunks + stretches - 1) / stretches * VulkanCache.ChunkTokens;
        int workgroup = plan.Memory.DecodeWorkgroup(plan.Key.Rows * Heads * stretches), scores = part == DecodePart.Scores || tokens > ModelMemory.SharedScores ? 1 : tokens;
        int segment = Math.Min(tokens, DecodeDigitsShader.Segment(plan.Gpu.Facts, Cache.Shape.HeadSize, input?.Spec.Layout.Groups ?? 1));
        RowQuantizer quantizer = input?.Quantizer(workgroup) ?? RowQuantizer.None;
        return Digits
            ? new DecodeDigitsShader { Workgroup = workgroup, Attention = Constants, ScoreCapacity = segment, Quantizer = quantizer, Part = part, Heads = Preparation, Lean = plan.Memory.LeanAttention }
            : new DecodeIntegerShader { Workgroup = workgroup, Attention = Constants, ScoreCapacity = scores, Quantizer = quantizer, Part = part, Heads = Preparation };
    }

    /// <summary>Workgroups that share what a row's head sees: those that share a whole context, unless a window takes too little off each.</summary>
    private int Stretches(PlanRecorder plan)
    {
        int stretches = plan.Key.Stretches, window = Layout.Window;
        return window == 0 || window - (window / stretches) >= plan.Memory.SplitTokens ? stretches : 1;
    }

    private DecodePush DecodePush(PlanRecorder plan, ulong rowQuantizer)
    {
        ModelMemory memory = plan.Memory;
        bool split = Stretches(plan) > 1;
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
            Scratch = split ? memory.Stretches.Scratch : ScoresInMemory ? memory.Scores(plan.Key.Rows, Heads, SeenChunks * VulkanCache.ChunkTokens) : 0,
            RowQuantizer = rowQuantizer,
            QueryGain = QueryGain,
            KeyGain = KeyGain,
            Shape = Sizes,
        };
    }
}
