using Portable.Execution;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Operations;

/// <summary>Logits of the batch's logit rows from a head of codes: final norm and 8-bit codes in one dispatch, a matmul like that of any linear layer, and a softcap where there is one.</summary>
internal readonly record struct CodeLogitsOperation(VulkanActivation X, VulkanNorm Norm, VulkanCodeTable Head, VulkanInput Input, float Softcap) : IOperation
{
    public string Name => "Logits";

    public void Record(PlanRecorder plan)
    {
        ulong logits = Softcap == 0 ? plan.Memory.Logits.Target(plan.Key.LogitRows) : plan.Memory.Logits.Device;
        if (plan.FusesProducts && plan.Key.LogitRows == 1 && GemvPlan.For(plan.Gpu.Facts, Head.Matrix, Input, Norm, GemvFinish.Store) is { } product)
        {
            product.Record(plan, GemvPlan.Push(Head.Matrix, X.Address, Norm.Buffer.Address, logits, false), X, plan.Memory.Logits);
        }
        else
        {
            PrepareShader shader = Preparation.ShaderFor(plan, Input, Norm.Source) with { SelectedRows = true, Stage = plan.Memory.Stage(X.Columns) };
            plan.Order([X], [Input]);
            plan.Dispatch(shader, Preparation.PushFor(X, Norm, X.Columns, Input) with { Selection = plan.Memory.Batch.Selection }, plan.Key.LogitRows);
            plan.Stamp("FinalNorm", 0);
            plan.Order([Input], [plan.Memory.Logits]);
            plan.Multiply(Input, Head, logits);
        }

        if (Softcap != 0)
        {
            SoftcapShader softcap = new() { Workgroup = 128, Softcap = Softcap };
            plan.Order([plan.Memory.Logits], [plan.Memory.Logits]);
            plan.Dispatch(softcap, new SoftcapPush(plan.Memory.Logits.Device, (uint)Head.Rows), (Head.Rows + softcap.Workgroup - 1) / softcap.Workgroup, plan.Key.LogitRows);
        }

        plan.ReadLogits(logits, (long)plan.Key.LogitRows * Head.Rows);
    }

    public OperationWork Work(PlanKey key) => new(key.LogitRows * (X.RowBytes + ((long)Head.Rows * sizeof(float)))) { Matmuls = key.LogitRows > 0 ? [Head.Matrix.Problem(key.LogitRows)] : [] };

    public long Bytes(Batch batch)
    {
        long rows = batch.LogitRows.Length;
        return rows == 0 ? 0 : Head.Matrix.Bytes + (rows * (X.RowBytes + Input.RowBytes + ((long)Head.Rows * sizeof(float))));
    }
}
