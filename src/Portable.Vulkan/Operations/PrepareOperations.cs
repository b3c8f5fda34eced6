using Portable.Execution;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Operations;

/// <summary>Rows through a norm, then quantized.</summary>
internal readonly record struct NormalizeOperation(VulkanActivation X, VulkanNorm Norm, VulkanInput Input) : IOperation
{
    public string Name => "Normalize";

    public void Record(PlanRecorder plan)
    {
        PrepareShader shader = Preparation.ShaderFor(plan, Input, Norm.Source) with { Stage = plan.Memory.Stage(X.Columns) };
        plan.Order([X], [Input]);
        plan.Dispatch(shader, Preparation.PushFor(X, Norm, X.Columns, Input), plan.Key.Rows);
    }

    public OperationWork Work(PlanKey key) => new(key.Rows * (X.RowBytes + Input.RowBytes));

    public long Bytes(Batch batch) => batch.Rows * (X.RowBytes + Input.RowBytes);
}

/// <summary>Rows quantized as they are.</summary>
internal readonly record struct PrepareOperation(VulkanActivation X, VulkanInput Input) : IOperation
{
    public string Name => "Prepare";

    public void Record(PlanRecorder plan)
    {
        plan.Order([X], [Input]);
        plan.Dispatch(Preparation.ShaderFor(plan, Input, PrepareSource.Copy), Preparation.PushFor(X, null, X.Columns, Input), plan.Key.Rows);
    }

    public OperationWork Work(PlanKey key) => new(key.Rows * (X.RowBytes + Input.RowBytes));

    public long Bytes(Batch batch) => batch.Rows * (X.RowBytes + Input.RowBytes);
}

/// <summary>Rows through ReLU, then quantized.</summary>
internal readonly record struct ReluOperation(VulkanActivation X, VulkanInput Input) : IOperation
{
    public string Name => "Relu";

    public void Record(PlanRecorder plan)
    {
        plan.Order([X], [Input]);
        plan.Dispatch(Preparation.ShaderFor(plan, Input, PrepareSource.Relu), Preparation.PushFor(X, null, X.Columns, Input), plan.Key.Rows);
    }

    public OperationWork Work(PlanKey key) => new(key.Rows * (X.RowBytes + Input.RowBytes));

    public long Bytes(Batch batch) => batch.Rows * (X.RowBytes + Input.RowBytes);
}

/// <summary>Rows of gate and up through SiLU(gate)·up, then quantized; few rows are shared by several workgroups each.</summary>
internal readonly record struct GateOperation(VulkanActivation GateUp, VulkanInput Input) : IOperation
{
    public string Name => "Gate";

    public void Record(PlanRecorder plan)
    {
        int parts = plan.Memory.GateParts(plan.Key.Rows);
        PreparePush push = Preparation.PushFor(GateUp, null, GateUp.Columns / 2, Input);
        plan.Order([GateUp], [Input]);
        if (parts > 1)
        {
            plan.Order([], [plan.Memory.Finished, plan.Memory.Gated]);
            push = push with { Selection = plan.Memory.Finished.Address, Y = plan.Memory.Gated.Address };
        }

        plan.Dispatch(Preparation.ShaderFor(plan, Input, PrepareSource.Gate) with { Parts = parts }, push, plan.Key.Rows, parts);
    }

    public OperationWork Work(PlanKey key) => new(key.Rows * (GateUp.RowBytes + Input.RowBytes));

    public long Bytes(Batch batch) => batch.Rows * (GateUp.RowBytes + Input.RowBytes);
}

/// <summary>What the operations that quantize rows have in common.</summary>
internal static class Preparation
{
    /// <summary>The shader that quantizes rows as an input wants them.</summary>
    public static PrepareShader ShaderFor(PlanRecorder plan, VulkanInput input, PrepareSource source) =>
        new() { Workgroup = plan.Memory.PrepareWorkgroup, Quantizer = input.Quantizer(plan.Memory.PrepareWorkgroup), Source = source };

    /// <summary>Its push constants.</summary>
    /// <param name="x">What is read.</param>
    /// <param name="norm">The norm, or null.</param>
    /// <param name="columns">Columns of what is quantized.</param>
    /// <param name="input">What is written, or null: as the shader's caller says.</param>
    public static PreparePush PushFor(VulkanActivation x, VulkanNorm? norm, int columns, VulkanInput? input)
    {
        PreparePush push = new()
        {
            X = x.Address,
            Norm = norm?.Buffer.Address ?? 0,
            SourceColumns = (uint)columns,
            InverseColumns = 1f / columns,
            Epsilon = norm?.Epsilon ?? 0,
        };
        return input is null ? push : push with { Map = input.Map, Prepared = input.Addresses, Quantizer = input.Sizes };
    }
}
