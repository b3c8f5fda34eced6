using Portable.Execution;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;

namespace Portable.Vulkan.Tensors;

/// <summary>What the stretches of a split decode attention leave for each other (shaders/include/decode_split.glsl), for a number of (row, head) pairs.</summary>
internal sealed class StretchMemory : IDisposable, IDeviceMemory
{
    private readonly List<GpuBuffer> _all = [];
    private GpuBuffer? _finished, _scratch;

    /// <summary>Per pair, the stretches that have finished; 0 between dispatches.</summary>
    public ulong Finished => _finished!.Address;

    /// <summary>Scores, maxima and sums.</summary>
    public ulong Scratch => _scratch!.Address;

    /// <summary>Makes room. Recorded commands keep the addresses that they have: what was too small stays.</summary>
    /// <param name="gpu">The device.</param>
    /// <param name="pairs">(row, head) pairs.</param>
    /// <param name="wordsOfPair">The most that one leaves.</param>
    public void Ensure(VulkanContext gpu, int pairs, int wordsOfPair)
    {
        long words = (long)pairs * wordsOfPair;
        if (_scratch is null || _scratch.Size < words * sizeof(uint) || _finished!.Size < pairs * sizeof(uint))
        {
            _all.Add(_finished = gpu.Allocate<uint>(new uint[pairs]));
            _all.Add(_scratch = gpu.Allocate(words * sizeof(uint)));
        }
    }

    /// <summary>Sets the counters to 0, where a dispatch may not have ended.</summary>
    public void Reset(VulkanContext gpu)
    {
        if (_finished is { } finished)
        {
            gpu.Run(r => r.Fill(finished, 0, finished.Size, 0));
        }
    }

    public void Dispose() => _all.ForEach(b => b.Dispose());

    /// <summary>Words that the stretches of a (row, head) pair leave.</summary>
    /// <param name="cache">The cache.</param>
    /// <param name="window">Positions that a token sees, 0 = all before it.</param>
    public static int WordsOfPair(CacheShape cache, int window)
    {
        int chunks = VulkanCache.SeenChunks(cache, window);
        if (cache.Bits == 16)
        {
            return chunks * (cache.HeadSize + 3);
        }

        int codes = VulkanCache.HeadWords(cache) * 32 / AttentionConstants.FieldBitsOf(cache.Bits);
        return (chunks * VulkanCache.ChunkTokens) + (AttentionChoice.MostStretches * ((2 * codes) + 5));
    }
}
