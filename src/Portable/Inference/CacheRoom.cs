using System.Globalization;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Operations;

namespace Portable.Inference;

/// <summary>How many positions a model has room for where nobody says, and whether what somebody says fits: asked before anything is allocated.</summary>
internal static class CacheRoom
{
    /// <summary>Positions that are given however little memory there is.</summary>
    public const int Least = 256;

    /// <summary>Bytes that the process may have: the machine's, or those of its container.</summary>
    public static long MachineBytes => GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;

    /// <summary>Bytes that keys and values may take of a memory, where nobody says: a quarter.</summary>
    public static long Share(long memory) => memory / 4;

    /// <summary>Positions of each text, at most the model's.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="bits">Bits of its caches.</param>
    /// <param name="sequences">Texts at once, each with a cache of its own.</param>
    /// <param name="bytes">Room for keys and values.</param>
    public static int Context(ModelConfig config, int bits, int sequences, long bytes) =>
        Math.Min(Longest(config, bits), Math.Max(Least, CpuMemory.LargestContext(config, bits, sequences, bytes)));

    /// <summary>Positions of all texts together.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="bits">Bits of its caches.</param>
    /// <param name="bytes">Room for keys and values.</param>
    public static long Tokens(ModelConfig config, int bits, long bytes)
    {
        const int Some = 64;
        return Math.Max(Least, bytes / CpuMemory.CacheBytes(config, bits, 1, Some) * Some);
    }

    /// <summary>The longest text that the model, and caches of its shape, take, whatever the memory.</summary>
    public static int Longest(ModelConfig config, int bits) => config.Blocks.Min(b =>
    {
        // Caches of a window hold no more than that and a batch.
        int holds = KeyValueCache.LongestCapacity(b.Attention.KeyValueHeads, b.Attention.HeadSize, bits);
        return CacheShape.For(b.Attention, bits, 1, config.MaximumPositions, CpuExecutor.Rows).Capacity <= holds ? config.MaximumPositions : holds;
    });

    /// <summary>Why a text has no more positions, where the model has more.</summary>
    /// <param name="source">The model.</param>
    /// <param name="context">Positions of a text, fewer than the model's.</param>
    public static string Why(IModelSource source, int context) => context < Longest(source.Config, source.KeyValueBits)
        ? "memory has no room for more (a longer context can be asked for)"
        : $"its cache of {source.KeyValueBits} bits holds no more";

    /// <summary>Refuses what memory does not hold.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="bits">Bits of its caches.</param>
    /// <param name="sequences">Texts at once.</param>
    /// <param name="context">Positions of each.</param>
    /// <param name="pages">Pages that all share; 0 = each its own.</param>
    /// <param name="onDevice">Whether keys and values lie in a device's own memory, which refuses by itself.</param>
    /// <param name="memory">Bytes that the process may have.</param>
    /// <exception cref="DeviceMemoryException">It does not fit.</exception>
    public static void Require(ModelConfig config, int bits, int sequences, int context, long pages, bool onDevice, long memory)
    {
        // The table of pages is the host's wherever the pages are.
        long entries = pages == 0 ? 0 : (long)sequences * PageTable.ChunksOf(context), needed = (onDevice ? 0 : BytesOf(config, bits, sequences, context, pages)) + (sizeof(int) * entries);
        if (needed > memory || pages > int.MaxValue || entries > Array.MaxLength)
        {
            throw Refusal(sequences, context, needed, memory);
        }
    }

    /// <summary>Bytes of keys and values; 2^62 where they are more.</summary>
    /// <inheritdoc cref="Require"/>
    public static long BytesOf(ModelConfig config, int bits, int sequences, int context, long pages)
    {
        long chunks = PageTable.ChunksOf(context);
        double bytes = config.Blocks.Sum(b =>
        {
            CacheShape shape = CacheShape.For(b.Attention, bits, 1, context, CpuExecutor.Rows);
            long banks = pages == 0 || shape.Wraps ? sequences : (pages + chunks - 1) / chunks;
            return (double)banks * KeyValueCache.BytesOf(1, shape.KeyValueHeads, shape.HeadSize, shape.Capacity, bits);
        });
        return (long)Math.Min(bytes, 1L << 62);
    }

    /// <summary>Why a model is not opened on the CPU.</summary>
    public static DeviceMemoryException Refusal(int sequences, int context, long needed, long memory, Exception? inner = null) =>
        new("this process", string.Create(CultureInfo.InvariantCulture, $"Keys and values take {needed / 1e9:F2} GB"), sequences, context, needed, memory, inner: inner);
}
