using System.Numerics;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Tensors;

namespace Portable.Vulkan.Model;

/// <summary>Device memory that a model will take, known before it is loaded.</summary>
/// <param name="Linears">Packed weights, scales, zero points and sums of all blocks; the first block stands for the others.</param>
/// <param name="Tables">Embedding, learned positions, head; cosines and sines.</param>
/// <param name="Cache">Keys and values.</param>
/// <param name="Working">Activations of the largest batch, a prompt's or a decode step's.</param>
internal sealed record MemoryEstimate(long Linears, long Tables, long Cache, long Working)
{
    /// <summary>All of it, bytes.</summary>
    public long Total => Linears + Tables + Cache + Working;

    /// <summary>Estimates a model. Reads its tables' shapes and its first block.</summary>
    /// <param name="source">The model.</param>
    /// <param name="sequences">Cache slots.</param>
    /// <param name="context">Positions of each.</param>
    /// <param name="maximumRows">The most rows of one batch.</param>
    public static MemoryEstimate Of(IModelSource source, int sequences, int context, int maximumRows)
    {
        ModelConfig config = source.Config;
        BlockWeights block = source.LoadBlock(0);
        long linears = config.Layers * block.Linears.Sum(BytesOf);
        long tables = TableBytes(source.LoadEmbedding()) + (source.LoadPositions()?.Bytes ?? 0) + (source.LoadHead() is { } head ? TableBytes(head) : 0) + RotaryBytes(config, context);
        (BlockLayout layout, AttentionLayout attention) = (block.Layout, block.Layout.Attention);
        long cached = config.Blocks.Sum(b => CacheBytes(CacheShape.For(b.Attention, source.KeyValueBits, sequences, context, maximumRows)));

        // The residual stream; what attention and MLP take in turn; a code for each input of a linear; the logits.
        long rows = Math.Min(BitOperations.RoundUpToPowerOf2((uint)Math.Max(sequences, context)), maximumRows);
        long turns = Math.Max((2L * attention.QueryWidth) + (2 * attention.KeyValueWidth), 2L * layout.Intermediate);
        long working = (rows * ((sizeof(float) * (config.HiddenSize + turns)) + config.HiddenSize + attention.QueryWidth + layout.Intermediate)) + (sizeof(float) * (long)sequences * config.VocabularySize);
        return new MemoryEstimate(linears, tables, cached, working);
    }

    /// <summary>The sizes in words.</summary>
    public override string ToString() =>
        FormattableString.Invariant($"{Total / 1e9:F2} GB (linears {Linears / 1e9:F2}, tables {Tables / 1e9:F2}, cache {Cache / 1e9:F2}, activations {Working / 1e9:F2})");

    // A table for each kind of positions; queries that grow with them have their own.
    private static long RotaryBytes(ModelConfig config, int context) => config.Blocks.Select(b => b.Rotary).OfType<RotaryLayout>().Distinct()
        .Sum(r => (long)context * r.Dimensions * sizeof(float) * (r.Scaling is { } scaling && scaling.QueryFactor(int.MaxValue) != 1 ? 2 : 1));

    private static long CacheBytes(CacheShape cache) => VulkanCache.Slots(cache) * ((2 * VulkanCache.HeadWords(cache) * 4) + VulkanCache.ParameterBytes(cache));

    private static long BytesOf(LinearWeights linear)
    {
        return linear.Quantized is { } quantized ? BytesOf(quantized) : linear.Float!.Bytes;
    }

    private static long TableBytes(TableWeights table) => table.Quantized is { } quantized ? BytesOf(quantized) : table.Bytes;

    private static long BytesOf(QuantizedLinear q)
    {
        // Rows are padded to tiles of 32; scales, zero points and some sums per channel and group (GpuLinear).
        long rows = (q.OutputFeatures + 31) / 32 * 32L;
        return rows * ((q.Weights.RowWords * 8L) + (q.Weights.Layout.Groups * (GpuLinear.NeedsSums(q.Input.Format) ? 9L : 5L)) + (q.Bias is null ? 0 : 4));
    }
}
