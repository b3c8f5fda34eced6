using Portable.Execution;
using Portable.Reference.Blocks;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Operations;

/// <summary>Rows through a norm, then quantized.</summary>
internal readonly record struct NormalizeOperation(VulkanActivation X, VulkanNorm Norm, VulkanInput Input) : IOperation
{
    public string Name => "Normalize";

    public int Record(PlanRecorder plan, ReadOnlySpan<IOperation> following)
    {
        int fused = FusedProducts.Record(plan, X, Norm, Input, following);
        if (fused == 0)
        {
            Record(plan);
        }

        return fused;
    }

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

    public int Record(PlanRecorder plan, ReadOnlySpan<IOperation> following)
    {
        int fused = FusedProducts.Record(plan, X, null, Input, following);
        if (fused == 0)
        {
            Record(plan);
        }

        return fused;
    }

    public void Record(PlanRecorder plan)
    {
        plan.Order([X], [Input]);
        plan.Dispatch(Preparation.ShaderFor(plan, Input, PrepareSource.Copy), Preparation.PushFor(X, null, X.Columns, Input), plan.Key.Rows);
    }

    public OperationWork Work(PlanKey key) => new(key.Rows * (X.RowBytes + Input.RowBytes));

    public long Bytes(Batch batch) => batch.Rows * (X.RowBytes + Input.RowBytes);
}

/// <summary>x += norm(y).</summary>
internal readonly record struct AddNormalizedOperation(VulkanActivation Y, VulkanNorm Norm, VulkanActivation X) : IOperation
{
    public string Name => "AddNormalized";

    public void Record(PlanRecorder plan)
    {
        plan.Order([Y], [X]);
        plan.Dispatch(Preparation.FloatShader(plan, Y, Norm) with { Residual = true }, Preparation.FloatPush(Y, Norm, X), plan.Key.Rows);
    }

    public OperationWork Work(PlanKey key) => new(3 * key.Rows * X.RowBytes);

    public long Bytes(Batch batch) => 3 * batch.Rows * X.RowBytes;
}

/// <summary>Rows through an activation, or of gate and up through f(gate)·up, then quantized; few rows are shared by several workgroups each.</summary>
/// <param name="X">Rows; of gate and up: both side by side.</param>
/// <param name="Kind">f.</param>
/// <param name="Gated">Whether there is a gate.</param>
/// <param name="Input">Where the codes go.</param>
internal readonly record struct ActivateOperation(VulkanActivation X, ActivationKind Kind, bool Gated, VulkanInput Input) : IOperation
{
    public string Name => Gated ? "Gate" : "Activate";

    /// <summary>Whether workgroups share a row: what takes no exponential is not worth it.</summary>
    public bool IsShared => Gated || Kind is not (ActivationKind.Relu or ActivationKind.SquaredRelu);

    /// <summary>Columns of what is quantized.</summary>
    public int Columns => Gated ? X.Columns / 2 : X.Columns;

    public int Record(PlanRecorder plan, ReadOnlySpan<IOperation> following)
    {
        if (FusedProducts.Record(plan, this, following))
        {
            return 1;
        }

        Record(plan);
        return 0;
    }

    public void Record(PlanRecorder plan)
    {
        int parts = IsShared ? plan.Memory.ActivationParts(plan.Key.Rows) : 1;
        PreparePush push = Preparation.PushFor(X, null, Columns, Input);
        plan.Order([X], [Input]);
        if (parts > 1)
        {
            plan.Order([], [plan.Memory.Finished, plan.Memory.Activated]);
            push = push with { Selection = plan.Memory.Finished.Address, Y = plan.Memory.Activated.Address };
        }

        PrepareShader shader = Preparation.ShaderFor(plan, Input, Gated ? PrepareSource.Gate : PrepareSource.Activation) with { Activation = Kind, Parts = parts };
        plan.Dispatch(shader, push, plan.Key.Rows, parts);
    }

    public OperationWork Work(PlanKey key) => new(key.Rows * (X.RowBytes + Input.RowBytes));

    public long Bytes(Batch batch) => batch.Rows * (X.RowBytes + Input.RowBytes);
}

/// <summary>What the operations that prepare rows have in common.</summary>
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

    /// <summary>The shader that normalises rows and leaves them as f32.</summary>
    public static PrepareShader FloatShader(PlanRecorder plan, VulkanActivation x, VulkanNorm norm)
    {
        int workgroup = plan.Memory.PrepareWorkgroup;
        uint words = (uint)(x.Columns + 3) / 4;
        RowQuantizer none = new(RowQuantizer.FloatMode, 8, false, 1, words, x.Columns % 4 == 0, VulkanInput.HeldWords(words, workgroup));
        return new PrepareShader { Workgroup = workgroup, Quantizer = none, Source = norm.Source, Stage = plan.Memory.Stage(x.Columns) };
    }

    /// <summary>Its push constants.</summary>
    /// <param name="x">What is read.</param>
    /// <param name="norm">The norm.</param>
    /// <param name="y">What is written.</param>
    public static PreparePush FloatPush(VulkanActivation x, VulkanNorm norm, VulkanActivation y)
    {
        uint columns = (uint)x.Columns;
        return PushFor(x, norm, x.Columns, null) with
        {
            Y = y.Address,
            Quantizer = new QuantizerSizes { Columns = columns, GroupColumns = columns, RowWords = (columns + 3) / 4, Groups = 1, Scales = 1 },
        };
    }
}
