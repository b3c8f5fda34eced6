using Portable.Execution;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Operations;

/// <summary>y[:, column …] = input · Wᵀ (+ bias).</summary>
internal readonly record struct LinearOperation(VulkanInput Input, VulkanLinear Linear, VulkanActivation Y, int Column) : IOperation
{
    public string Name => "Linear";

    public void Record(PlanRecorder plan)
    {
        // Neighbouring layers write different columns of one activation: only the first waits for its readers.
        plan.Order([Input], Column == 0 ? [Y] : []);
        plan.Multiply(Input, Linear, Y, Column, residual: false);
    }

    public OperationWork Work(PlanKey key) => new(0) { Matmuls = Linear.Problems(key.Rows, residual: false) };

    public long Bytes(Batch batch) => Linear.Bytes + (batch.Rows * (Input.RowBytes + Linear.RowBytes));
}

/// <summary>x += input · Wᵀ (+ bias).</summary>
internal readonly record struct LinearResidualOperation(VulkanInput Input, VulkanLinear Linear, VulkanActivation X) : IOperation
{
    public string Name => "LinearResidual";

    public void Record(PlanRecorder plan)
    {
        plan.Order([Input], [X]);
        plan.Multiply(Input, Linear, X, 0, residual: true);
    }

    public OperationWork Work(PlanKey key) => new(0) { Matmuls = Linear.Problems(key.Rows, residual: true) };

    public long Bytes(Batch batch) => Linear.Bytes + (batch.Rows * (Input.RowBytes + (2 * Linear.RowBytes)));
}
