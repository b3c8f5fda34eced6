using Portable.Execution;
using Portable.Reference.Blocks;
using Portable.Vulkan.Engine;
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

/// <summary>Σ x·yᵀ over rows, on top of what is there.</summary>
/// <param name="X">Rows of x.</param>
/// <param name="Y">Rows of y: those of x for Σ x·xᵀ.</param>
/// <param name="Sums">The sums.</param>
internal readonly record struct GramOperation(VulkanActivation X, VulkanActivation Y, VulkanSums Sums) : IOperation
{
    public string Name => Upper ? "Gram" : "Cross";

    public bool Accumulates => true;

    private bool Upper => ReferenceEquals(X, Y);

    public void Record(PlanRecorder plan)
    {
        GramShader shader = FloatArithmetic.Of(plan.Gpu).Gram(Sums.Rows, Sums.Columns, plan.Key.Rows, CpuExecutor.Rows, Upper);
        plan.Order([X, Y], [Sums]);
        (int across, int down) = shader.Gemm.Tile.Workgroups(Sums.Rows, Sums.Columns);
        plan.Dispatch(shader, new GramPush(X.Address, Y.Address, Sums.Buffer.Address, (uint)Sums.Rows, (uint)Sums.Columns, (uint)plan.Key.Rows), across, down);
    }

    public OperationWork Work(PlanKey key) => new(16 * Values * ((key.Rows + CpuExecutor.Rows - 1) / CpuExecutor.Rows), key.Rows * Values);

    public long Bytes(Batch batch) => (16 * Values) + (batch.Rows * (X.RowBytes + (Upper ? 0 : Y.RowBytes)));

    private long Values => (long)Sums.Rows * Sums.Columns / (Upper ? 2 : 1);
}

/// <summary>Σ (ŷ − y)² and Σ y² of every row.</summary>
internal readonly record struct ErrorsOperation(VulkanActivation Exact, VulkanActivation Approximate, VulkanSums Errors, GpuBuffer? Factors) : IOperation
{
    public string Name => "Errors";

    public bool Accumulates => true;

    public void Record(PlanRecorder plan)
    {
        plan.Order([Exact, Approximate], [Errors]);
        plan.Dispatch(new ErrorsShader { Scales = Factors is not null }, new ErrorsPush(Exact.Address, Approximate.Address, Errors.Buffer.Address, Factors?.Address ?? 0, (uint)Exact.Columns), plan.Key.Rows);
    }

    public OperationWork Work(PlanKey key) => new(8 * key.Rows * Exact.RowBytes);

    public long Bytes(Batch batch) => 2 * batch.Rows * Exact.RowBytes;
}

/// <summary>Histograms of outputs, on top of what is there; approximate ones are multiplied by factors first.</summary>
internal readonly record struct OutputCountsOperation(VulkanActivation Exact, VulkanActivation Approximate, VulkanOutputCounts Counts) : IOperation
{
    public string Name => "OutputCounts";

    public bool Accumulates => true;

    public void Record(PlanRecorder plan)
    {
        OutputCountsShader shader = new() { Scales = Counts.Factors is not null };
        int values = checked(Exact.Columns * plan.Key.Rows);
        plan.Order([Exact], [Approximate, Counts.Counts]);
        OutputCountsPush push = new(Exact.Address, Approximate.Address, Counts.Factors?.Address ?? 0, Counts.Range.Address, Counts.Counts.Buffer.Address, (uint)Exact.Columns, (uint)values);
        plan.Dispatch(shader, push, (values + shader.Stretch - 1) / shader.Stretch);
    }

    public OperationWork Work(PlanKey key) => new(4 * key.Rows * Exact.RowBytes);

    public long Bytes(Batch batch) => 2 * batch.Rows * Exact.RowBytes;
}

/// <summary>y −= x.</summary>
internal readonly record struct DifferenceOperation(VulkanActivation X, VulkanActivation Y) : IOperation
{
    public string Name => "Difference";

    public void Record(PlanRecorder plan)
    {
        DifferenceShader shader = new();
        int count = checked(plan.Key.Rows * X.Columns), groups = (count + shader.Workgroup - 1) / shader.Workgroup, across = Math.Min(groups, 1 << 15);
        plan.Order([X, Y], [Y]);
        plan.Dispatch(shader, new DifferencePush(X.Address, Y.Address, (uint)count), across, (groups + across - 1) / across);
    }

    public OperationWork Work(PlanKey key) => new(3 * key.Rows * X.RowBytes);

    public long Bytes(Batch batch) => 3 * batch.Rows * X.RowBytes;
}

/// <summary>Σ x² of every column, row after row, on top of what is there.</summary>
internal readonly record struct SquaresOperation(VulkanActivation X, VulkanSums Sums) : IOperation
{
    public string Name => "Squares";

    public bool Accumulates => true;

    public void Record(PlanRecorder plan)
    {
        SquaresShader shader = new();
        plan.Order([X], [Sums]);
        plan.Dispatch(shader, new MaximaPush(X.Address, Sums.Buffer.Address, (uint)X.Columns, (uint)plan.Key.Rows), (X.Columns + shader.Workgroup - 1) / shader.Workgroup);
    }

    public OperationWork Work(PlanKey key) => new(8 * key.Rows * X.RowBytes);

    public long Bytes(Batch batch) => batch.Rows * X.RowBytes;
}

/// <summary>max|x| of every column of some rows, on top of what is there.</summary>
internal readonly record struct MaximaOperation(VulkanActivation X, VulkanMaxima Maxima) : IOperation
{
    private const int Stretch = 64;

    public string Name => "Maxima";

    public bool Accumulates => true;

    public void Record(PlanRecorder plan)
    {
        MaximaShader shader = new() { Workgroup = 64, Stretch = Stretch };
        int columns = X.Columns, rows = plan.Key.Rows;
        plan.Order([X], [Maxima]);
        plan.Dispatch(shader, new MaximaPush(X.Address, Maxima.Bits.Address, (uint)columns, (uint)rows), (columns + 63) / 64, (rows + Stretch - 1) / Stretch);
    }

    public OperationWork Work(PlanKey key) => new(key.Rows * X.RowBytes);

    public long Bytes(Batch batch) => batch.Rows * X.RowBytes;
}

/// <summary>How often every column takes which magnitude, on top of what is there.</summary>
internal readonly record struct MagnitudesOperation(VulkanActivation X, VulkanCounts Counts) : IOperation
{
    private const int Stretch = 64;

    public string Name => "Magnitudes";

    public bool Accumulates => true;

    public void Record(PlanRecorder plan)
    {
        int columns = X.Columns, rows = plan.Key.Rows;
        plan.Order([X], [Counts]);
        plan.Dispatch(new MagnitudesShader { Stretch = Stretch }, new MaximaPush(X.Address, Counts.Buffer.Address, (uint)columns, (uint)rows), (columns + 63) / 64, (rows + Stretch - 1) / Stretch);
    }

    public OperationWork Work(PlanKey key) => new(8 * key.Rows * X.RowBytes);

    public long Bytes(Batch batch) => batch.Rows * X.RowBytes;
}

/// <summary>Rows divided by factors and rounded to a static scale.</summary>
internal readonly record struct RoundInputOperation(VulkanActivation X, VulkanRounding Rounding, VulkanActivation Exact, VulkanActivation Seen) : IOperation
{
    private const int Stretch = 64;

    public string Name => "RoundInput";

    public void Record(PlanRecorder plan)
    {
        int columns = X.Columns, rows = plan.Key.Rows;
        plan.Order([X], [Exact, Seen, Rounding.Clipped]);
        RoundInputPush push = new(X.Address, Rounding.Limits.Address, Rounding.Factors?.Address ?? 0, Exact.Address, Seen.Address, Rounding.Clipped.Buffer.Address, (uint)columns, (uint)rows, Rounding.Scale, Rounding.Reciprocal);
        plan.Dispatch(new RoundInputShader { Stretch = Stretch, Divides = Rounding.Factors is not null }, push, (columns + 63) / 64, (rows + Stretch - 1) / Stretch);
    }

    public OperationWork Work(PlanKey key) => new(3 * key.Rows * X.RowBytes);

    public long Bytes(Batch batch) => 3 * batch.Rows * X.RowBytes;
}

/// <summary>Rows kept for later.</summary>
internal readonly record struct SnapshotOperation(VulkanActivation X, VulkanActivation Kept) : IOperation
{
    public string Name => "Snapshot";

    public void Record(PlanRecorder plan)
    {
        plan.Order([X], [Kept]);
        plan.Copy(X.Buffer, Kept.Buffer, plan.Key.Rows * X.RowBytes);
    }

    public OperationWork Work(PlanKey key) => new(2 * key.Rows * X.RowBytes);

    public long Bytes(Batch batch) => 2 * batch.Rows * X.RowBytes;
}
