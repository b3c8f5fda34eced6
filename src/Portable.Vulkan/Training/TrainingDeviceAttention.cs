using Portable.Reference.Blocks;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Training;

/// <summary>
/// Causal attention of one sequence on the device and its gradients, as Portable.Reference's TrainingAttention orders them: probabilities of
/// all heads are kept, heads T × T; rows of heads lie head after head.
/// </summary>
internal sealed class TrainingDeviceAttention
{
    private readonly TrainingKernels _kernels;
    private readonly AttentionLayout _layout;
    private readonly int _tokens;
    private readonly ulong _q, _k, _v, _o, _probabilities, _slopes, _dO, _dP, _dQ, _dK, _dV;

    /// <summary>Allocates it.</summary>
    /// <param name="kernels">Owns the memory.</param>
    /// <param name="layout">Heads, and how they attend.</param>
    /// <param name="tokens">T.</param>
    /// <param name="backward">Whether gradients are wanted.</param>
    public TrainingDeviceAttention(TrainingKernels kernels, AttentionLayout layout, int tokens, bool backward)
    {
        (_kernels, _layout, _tokens) = (kernels, layout, tokens);
        long queries = (long)tokens * layout.QueryWidth, keys = (long)tokens * layout.KeyValueWidth, map = (long)layout.Heads * tokens * tokens;
        ulong Room(long values, bool wanted = true) => wanted ? kernels.Allocate(values).Address : 0;
        (_q, _k, _v, _o) = (Room(queries), Room(keys), Room(keys), Room(queries));
        (_probabilities, _slopes) = (Room(map), Room(map, layout.Softcap != 0));
        (_dO, _dP, _dQ, _dK, _dV) = (Room(queries, backward), Room(map, backward), Room(queries, backward), Room(queries, backward), Room(queries, backward));
    }

    /// <summary>Adds o of q, k and v, [token × heads × d] each.</summary>
    public void Forward(TrainingProgram program, ulong q, ulong k, ulong v, ulong o)
    {
        int size = _layout.HeadSize, heads = _layout.Heads, shared = _layout.KeyValueHeads, t = _tokens;
        ToHeads(program, q, _q, heads);
        ToHeads(program, k, _k, shared);
        ToHeads(program, v, _v, shared);
        Product(program, "attention scores", AttentionPart.Scores, _q, _k, _probabilities, t, t, size, false, false, t * size, t * size, t * t);
        program.Add(
            "softmax",
            new TrainingSoftmaxShader { Workgroup = 256, Capped = _layout.Softcap != 0 },
            new TrainingSoftmaxPush(_probabilities, _slopes, (uint)t, (uint)_layout.Window, _layout.Scale, _layout.Softcap, _layout.Softcap == 0 ? 0 : 1f / _layout.Softcap),
            heads,
            t);
        Product(program, "attention values", AttentionPart.Rows, _probabilities, _v, _o, t, size, t, false, true, t * t, t * size, t * size);
        FromHeads(program, _o, o, heads, 1);
    }

    /// <summary>Adds the mean over heads of the probabilities, [query × token].</summary>
    public void Mean(TrainingProgram program, ulong mean) => TrainingKernels.Elements(
        program, "mean of heads", new TrainingMeanHeadsShader { Workgroup = 256 }, new TrainingMeanHeadsPush(_probabilities, mean, (uint)_tokens, (uint)_layout.Heads, 1f / _layout.Heads), _tokens, _tokens);

    /// <summary>Adds the gradients of q, k and v from those of o and, where it is not 0, of the mean of the probabilities.</summary>
    public void Backward(TrainingProgram program, ulong dO, ulong dMean, ulong dQ, ulong dK, ulong dV)
    {
        int size = _layout.HeadSize, heads = _layout.Heads, t = _tokens, group = _layout.GroupHeads;
        ToHeads(program, dO, _dO, heads);
        Product(program, "attention dV", AttentionPart.Columns, _probabilities, _dO, _dV, t, size, t, true, true, t * t, t * size, t * size, group: 1);
        Product(program, "attention dP", AttentionPart.Scores, _dO, _v, _dP, t, t, size, false, false, t * size, t * size, t * t);
        program.Add(
            "softmax backward",
            new TrainingSoftmaxBackwardShader { Workgroup = 256, Capped = _layout.Softcap != 0, Mean = dMean != 0 },
            new TrainingSoftmaxBackwardPush(_dP, _probabilities, _slopes, dMean, (uint)t, _layout.Scale, 1f / heads),
            heads,
            t);
        Product(program, "attention dQ", AttentionPart.Rows, _dP, _k, _dQ, t, size, t, false, true, t * t, t * size, t * size);
        Product(program, "attention dK", AttentionPart.Columns, _dP, _q, _dK, t, size, t, true, true, t * t, t * size, t * size, group: 1);
        FromHeads(program, _dQ, dQ, heads, 1);
        FromHeads(program, _dK, dK, _layout.KeyValueHeads, group);
        FromHeads(program, _dV, dV, _layout.KeyValueHeads, group);
    }

    private void Product(
        TrainingProgram program, string name, AttentionPart part, ulong a, ulong b, ulong y, int m, int n, int k, bool aColumns, bool bColumns, int aHead, int bHead, int yHead, int? group = null)
    {
        FloatTile tile = _kernels.Gpu.Facts.Kind == VulkanDeviceKind.Cpu ? new FloatTile(32, 32, 16, 4, 8)
            : n <= 64 || m <= 64 ? new FloatTile(64, 64, 16, 4, 4)
            : new FloatTile(128, 64, 16, 8, 8);
        FloatGemmConstants gemm = FloatGemmConstants.For(TableType.Float32, tile, aColumns, bColumns, m, n, k);
        int shared = group ?? _layout.GroupHeads;
        TrainingAttentionShader shader = FloatArithmetic.Of(_kernels.Gpu).Emulated
            ? new EmulatedTrainingAttentionShader { Gemm = gemm, Part = part, Group = shared }
            : new FusedTrainingAttentionShader { Gemm = gemm, Part = part, Group = shared };
        (int across, int down) = tile.Workgroups(m, n);
        program.Add(name, shader, new TrainingAttentionPush(a, b, y, (uint)m, (uint)n, (uint)k, (uint)aHead, (uint)bHead, (uint)yHead), across, down, _layout.Heads, (long)_layout.Heads * m * n * k);
    }

    private void ToHeads(TrainingProgram program, ulong x, ulong y, int heads) => TrainingKernels.Elements(
        program, "heads", new TrainingHeadsShader { Workgroup = 256 }, new TrainingHeadsPush(x, y, (uint)_tokens, (uint)heads, (uint)_layout.HeadSize), _tokens, heads * _layout.HeadSize);

    private void FromHeads(TrainingProgram program, ulong x, ulong y, int heads, int group) => TrainingKernels.Elements(
        program, "heads", new TrainingHeadsShader { Workgroup = 256, TokensFirst = true, Group = group }, new TrainingHeadsPush(x, y, (uint)_tokens, (uint)heads, (uint)_layout.HeadSize), _tokens, heads * _layout.HeadSize);
}
