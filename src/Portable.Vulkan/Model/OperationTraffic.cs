using Portable.Execution;

namespace Portable.Vulkan.Model;

/// <summary>
/// The bytes that an operation cannot do without: weights, tables and cached tokens once, activations in and out once. Over
/// the rate at which a device reads memory they are the floor of its time where multiply-adds do not bound it.
/// </summary>
internal static class OperationTraffic
{
    /// <summary>Bytes of one operation on a batch.</summary>
    public static long Bytes(in Operation operation, Batch batch) => operation.Kind switch
    {
        OperationKind.Embed => batch.Rows * (RowBytes((VulkanTable)operation.Weights!) + Values(operation.Target)),
        OperationKind.Linear => Weights(operation) + (batch.Rows * (Codes(operation.Source) + Output(operation))),
        OperationKind.LinearResidual => Weights(operation) + (batch.Rows * (Codes(operation.Source) + (2 * Output(operation)))),
        OperationKind.Attention => Cached((VulkanCache)operation.Other!, batch) + (batch.Rows * (Values(operation.Source) + Values(operation.Target))),
        OperationKind.Logits => Head((VulkanTable)operation.Other!, batch.LogitRows.Length) + (batch.LogitRows.Length * Values(operation.Source)),
        _ => batch.Rows * (Values(operation.Source) + Codes(operation.Target)),
    };

    private static long Values(object? activation) => (long)((VulkanActivation)activation!).Columns * sizeof(float);

    private static long Codes(object? input)
    {
        InputSpec spec = ((VulkanInput)input!).Spec;
        return spec.Layout.PaddedColumns * (spec.Quantizer!.Format.Bits == 16 ? 2L : 1);
    }

    private static long Weights(in Operation operation) => ((VulkanLinear)operation.Weights!).Matrices.Sum(m => m.Matrix.Bytes);

    private static long Output(in Operation operation) => ((VulkanLinear)operation.Weights!).OutputFeatures * (long)sizeof(float);

    private static long RowBytes(VulkanTable table) => table.Columns * (table.ShaderType == 0 ? 4L : 2);

    private static long Head(VulkanTable table, int rows) => rows == 0 ? 0 : table.Rows * (RowBytes(table) + ((long)rows * sizeof(float)));

    /// <summary>Keys and values of every token that a sequence of the batch looks back on.</summary>
    private static long Cached(VulkanCache cache, Batch batch)
    {
        long tokens = Enumerable.Range(0, batch.Rows).GroupBy(i => batch.Sequences[i]).Sum(s => s.Max(i => batch.Positions[i]) + 1L);
        return tokens * cache.Shape.KeyValueHeads * ((2 * VulkanCache.HeadWords(cache.Shape) * 4) + (cache.Shape.Bits == 16 ? 0 : 16));
    }
}
