using System.Numerics;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Blocks;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Model;

/// <summary>What a Vulkan device holds for a model: the same sums as its objects make.</summary>
internal static class VulkanMemory
{
    /// <summary>Estimates a model. Reads its tables' shapes and its first block, which stands for the others.</summary>
    /// <param name="source">The model.</param>
    /// <param name="sequences">Cache slots.</param>
    /// <param name="context">Positions of each.</param>
    /// <param name="maximumRows">The most rows of one batch.</param>
    /// <param name="table">Which pages sequences have; null = each its own.</param>
    public static MemoryEstimate Of(IModelSource source, int sequences, int context, int maximumRows, PageTable? table = null)
    {
        ModelConfig config = source.Config;
        BlockWeights block = source.LoadBlock(0);
        long linears = config.Layers * block.Linears.Sum(BytesOf);
        long tables = TableBytes(source.LoadEmbedding()) + (source.LoadPositions()?.Bytes ?? 0) + (source.LoadHead() is { } head ? TableBytes(head) : 0) + RotaryBytes(config, context);
        (BlockLayout layout, AttentionLayout attention) = (block.Layout, block.Layout.Attention);
        long cached = config.Blocks.Sum(b => CacheBytes(CacheShape.For(b.Attention, source.KeyValueBits, sequences, context, maximumRows, table)));

        // The residual stream; what attention and MLP take in turn; a code for each input of a linear; the logits.
        long rows = Math.Min(BitOperations.RoundUpToPowerOf2((uint)Math.Max(sequences, context)), maximumRows);
        long turns = Math.Max((2L * attention.QueryWidth) + (2 * attention.KeyValueWidth), 2L * layout.Intermediate);
        long working = (rows * ((sizeof(float) * (config.HiddenSize + turns)) + config.HiddenSize + attention.QueryWidth + layout.Intermediate)) + (sizeof(float) * (long)sequences * config.VocabularySize);
        return new MemoryEstimate(linears, tables, cached, working);
    }

    // A table for each kind of positions; queries that grow with them have their own.
    private static long RotaryBytes(ModelConfig config, int context) => config.Blocks.Select(b => b.Rotary).OfType<RotaryLayout>().Distinct()
        .Sum(r => (long)context * r.Dimensions * sizeof(float) * (r.Scaling is { } scaling && scaling.QueryFactor(int.MaxValue) != 1 ? 2 : 1));

    private static long CacheBytes(CacheShape cache) => VulkanCache.Slots(cache) * ((2 * VulkanCache.HeadWords(cache) * 4) + VulkanCache.ParameterBytes(cache));

    private static long BytesOf(LinearWeights linear) => linear.Quantized is { } quantized ? BytesOf(quantized) : linear.Float!.Bytes;

    private static long TableBytes(TableWeights table) => table.Quantized is { } quantized ? BytesOf(quantized) : table.Bytes;

    private static long BytesOf(QuantizedLinear q)
    {
        // Rows are padded to tiles of 32; scales, zero points and some sums per channel and group (GpuLinear).
        long rows = (q.OutputFeatures + 31) / 32 * 32L;
        long scales = rows * q.ScaleGroups.Count, sums = GpuLinear.NeedsSums(q.Input.Format) ? q.Weights.Layout.Groups : 0;
        return (rows * ((q.Weights.RowWords * 8L) + (sizeof(int) * sums) + (q.Bias is null ? 0 : 4)))
            + (scales * (q.Scales.Format == ScaleFormat.Half ? 2 : 4)) + GpuLinear.StoredZeroBytes(q.Weights.Format, checked((int)scales));
    }
}
