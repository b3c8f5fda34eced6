using System.Numerics;
using Portable.Execution;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Operations;

/// <summary>Logits of the batch's logit rows: final norm, the head's table, and a softcap where there is one.</summary>
internal readonly record struct LogitsOperation(VulkanActivation X, VulkanNorm Norm, VulkanFloatTable Head, float Softcap) : IOperation
{
    public string Name => "Logits";

    public void Record(PlanRecorder plan)
    {
        Normalize(plan);
        plan.Stamp("FinalNorm", 0);
        DeviceBudget budget = DeviceBudget.For(plan.Gpu.Facts);
        int rows = plan.Key.LogitRows, tokens = (int)Math.Clamp(BitOperations.RoundUpToPowerOf2((uint)rows), 1, (uint)budget.HeadTokens);
        HeadShader shader = tokens == 1
            ? new HeadRowShader { Workgroup = 128, TableType = Head.ShaderType, Rows = 2, Ahead = budget.HeadAhead, Wide = Head.Wide, Softcap = Softcap }
            : new HeadTileShader { Workgroup = 128, TableType = Head.ShaderType, Rows = 4, Tokens = tokens, Ahead = 2, Wide = Head.Wide, Softcap = Softcap };
        ulong logits = plan.Memory.Logits.Target(rows);
        HeadPush push = new(plan.Memory.Hidden.Address, Head.Address, logits, (uint)Head.Columns, (uint)Head.Rows, (uint)rows);
        plan.Order([plan.Memory.Hidden], [plan.Memory.Logits]);

        // Tokens first: workgroups that read the same rows of the table run together, and memory gives them once.
        plan.Dispatch(shader, push, (rows + tokens - 1) / tokens, (Head.Rows + shader.RowsOfWorkgroup - 1) / shader.RowsOfWorkgroup);
        plan.ReadLogits(logits, (long)rows * Head.Rows);
    }

    // A small cache keeps no table rows for the next tokens.
    public OperationWork Work(PlanKey key) => new((key.LogitRows + 7L) / 8 * Head.Rows * Head.RowBytes, (long)key.LogitRows * Head.Rows * Head.Columns);

    public long Bytes(Batch batch)
    {
        long rows = batch.LogitRows.Length;
        return rows == 0 ? 0 : (Head.Rows * (Head.RowBytes + (rows * sizeof(float)))) + (rows * X.RowBytes);
    }

    // The rows of the selection stay f32.
    private void Normalize(PlanRecorder plan)
    {
        PreparePush push = Preparation.FloatPush(X, Norm, plan.Memory.Hidden) with { Selection = plan.Memory.Batch.Selection };
        plan.Order([X], [plan.Memory.Hidden]);
        plan.Dispatch(Preparation.FloatShader(plan, X, Norm) with { SelectedRows = true }, push, plan.Key.LogitRows);
    }
}
