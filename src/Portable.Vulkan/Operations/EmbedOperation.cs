using Portable.Execution;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Operations;

/// <summary>x = embedding[token] · scale (+ positions[position + offset]).</summary>
internal readonly record struct EmbedOperation(VulkanTable Embedding, float Scale, VulkanTable? Positions, int PositionOffset, VulkanActivation X) : IOperation
{
    public string Name => "Embed";

    public void Record(PlanRecorder plan)
    {
        EmbedShader shader = new() { Workgroup = 128, TableType = Embedding.ShaderType, PositionType = Positions?.ShaderType ?? TableType.None, Scale = Scale, Bits = Embedding.Bits, HalfScales = Embedding.HalfScales };
        EmbedPush push = new(plan.Memory.Batch.Rows, Embedding.Address, Positions?.Address ?? 0, X.Address, Embedding.Scales, Embedding.Zeros, (uint)X.Columns, (uint)PositionOffset);
        plan.Order([], [X]);
        plan.Dispatch(shader, push, (X.Columns + shader.Workgroup - 1) / shader.Workgroup, plan.Key.Rows);
    }

    public OperationWork Work(PlanKey key) => new(key.Rows * (Embedding.RowBytes + X.RowBytes));

    public long Bytes(Batch batch) => batch.Rows * (Embedding.RowBytes + X.RowBytes);
}
