using Portable.Execution;
using Portable.Reference.Blocks;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Operations;

/// <summary>Rows through a norm, an activation, a gate or nothing, kept as f32 for float layers.</summary>
/// <param name="X">What is read; of a gate: gate and up side by side.</param>
/// <param name="Norm">The norm, or null.</param>
/// <param name="Source">What rows go through.</param>
/// <param name="Kind">The activation, where there is one.</param>
/// <param name="Y">What is written.</param>
internal readonly record struct PrepareFloatsOperation(VulkanActivation X, VulkanNorm? Norm, PrepareSource Source, ActivationKind Kind, VulkanFloatInput Y) : IOperation
{
    public string Name => Norm is not null ? "Normalize" : Source == PrepareSource.Gate ? "Gate" : Source == PrepareSource.Activation ? "Activate" : "Prepare";

    public void Record(PlanRecorder plan)
    {
        int workgroup = plan.Memory.PrepareWorkgroup, columns = Y.Rows.Columns;
        uint words = (uint)(columns + 3) / 4;
        RowQuantizer none = new(RowQuantizer.FloatMode, 8, false, 1, words, columns % 4 == 0, VulkanInput.HeldWords(words, workgroup));
        PrepareShader shader = new() { Workgroup = workgroup, Quantizer = none, Source = Source, Activation = Kind, Stage = plan.Memory.Stage(columns) };
        PreparePush push = Preparation.PushFor(X, Norm, columns, null) with
        {
            Y = Y.Rows.Address,
            Quantizer = new QuantizerSizes { Columns = (uint)columns, GroupColumns = (uint)columns, RowWords = words, Groups = 1, Scales = 1 },
        };
        plan.Order([X], [Y]);
        plan.Dispatch(shader, push, plan.Key.Rows);
    }

    public OperationWork Work(PlanKey key) => new(key.Rows * (X.RowBytes + Y.Rows.RowBytes));

    public long Bytes(Batch batch) => batch.Rows * (X.RowBytes + Y.Rows.RowBytes);
}

/// <summary>y[:, column …] = input · Wᵀ (+ bias), or added to it, of float layers.</summary>
internal readonly record struct FloatLinearOperation(VulkanFloatInput Input, VulkanFloatLinear Linear, VulkanActivation Y, int Column, bool Residual) : IOperation
{
    public string Name => Residual ? "FloatLinearResidual" : "FloatLinear";

    public void Record(PlanRecorder plan)
    {
        FloatArithmetic arithmetic = FloatArithmetic.Of(plan.Gpu);
        plan.Order([Input], Residual || Column == 0 ? [Y] : []);
        foreach (FloatMatrix matrix in Linear.Matrices)
        {
            VulkanFloatTable table = matrix.Table;
            FloatGemmShader shader = arithmetic.Gemm(table.ShaderType, false, false, plan.Key.Rows, table.Rows, table.Columns) with { Bias = matrix.Bias is not null, Residual = Residual };
            ulong y = Y.Address + ((ulong)(Column + matrix.Column) * sizeof(float));
            FloatGemmPush push = new(Input.Rows.Address, matrix.Weights.Address, matrix.Bias?.Address ?? 0, y, (uint)plan.Key.Rows, (uint)table.Rows, (uint)table.Columns, (uint)Y.Columns);
            (int across, int down) = shader.Gemm.Tile.Workgroups(plan.Key.Rows, table.Rows);
            plan.Dispatch(shader, push, across, down);
        }
    }

    public OperationWork Work(PlanKey key) => new(Linear.Bytes, key.Rows * Linear.RowWork);

    public long Bytes(Batch batch) => Linear.Bytes + (batch.Rows * (Input.Rows.RowBytes + Linear.RowBytes));
}

/// <summary>Σ x·xᵀ of the rows of an input, on top of what is there.</summary>
internal readonly record struct GramOperation(VulkanFloatInput Input, VulkanGram Gram) : IOperation
{
    public string Name => "Gram";

    public void Record(PlanRecorder plan)
    {
        GramShader shader = FloatArithmetic.Of(plan.Gpu).Gram(Gram.Size, CpuExecutor.Rows);
        plan.Order([Input], [Gram]);
        (int across, int down) = shader.Gemm.Tile.Workgroups(Gram.Size, Gram.Size);
        plan.Dispatch(shader, new GramPush(Input.Rows.Address, Gram.Sums.Address, (uint)Gram.Size, (uint)plan.Key.Rows), across, down);
    }

    public OperationWork Work(PlanKey key) => new(16L * Gram.Size * Gram.Size / 2 * ((key.Rows + CpuExecutor.Rows - 1) / CpuExecutor.Rows), (long)key.Rows * Gram.Size * Gram.Size / 2);

    public long Bytes(Batch batch) => (8L * Gram.Size * Gram.Size) + (batch.Rows * Input.Rows.RowBytes);
}

/// <summary>max|x| of every column of an input, on top of what is there.</summary>
internal readonly record struct MaximaOperation(VulkanFloatInput Input, VulkanMaxima Maxima) : IOperation
{
    private const int Stretch = 64;

    public string Name => "Maxima";

    public void Record(PlanRecorder plan)
    {
        MaximaShader shader = new() { Workgroup = 64, Stretch = Stretch };
        int columns = Input.Rows.Columns, rows = plan.Key.Rows;
        plan.Order([Input], [Maxima]);
        plan.Dispatch(shader, new MaximaPush(Input.Rows.Address, Maxima.Bits.Address, (uint)columns, (uint)rows), (columns + 63) / 64, (rows + Stretch - 1) / Stretch);
    }

    public OperationWork Work(PlanKey key) => new(key.Rows * Input.Rows.RowBytes);

    public long Bytes(Batch batch) => batch.Rows * Input.Rows.RowBytes;
}

/// <summary>The rows of an input kept for the host.</summary>
internal readonly record struct SnapshotOperation(VulkanFloatInput Input, VulkanActivation Kept) : IOperation
{
    public string Name => "Snapshot";

    public void Record(PlanRecorder plan)
    {
        plan.Order([Input], [Kept]);
        plan.Copy(Input.Rows.Buffer, Kept.Buffer, plan.Key.Rows * Input.Rows.RowBytes);
    }

    public OperationWork Work(PlanKey key) => new(2 * key.Rows * Input.Rows.RowBytes);

    public long Bytes(Batch batch) => 2 * batch.Rows * Input.Rows.RowBytes;
}
