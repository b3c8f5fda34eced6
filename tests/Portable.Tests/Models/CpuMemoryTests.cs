using System.Runtime.CompilerServices;
using FsCheck.Xunit;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;
using Portable.Reference.Threading;
using Portable.Tests.Support;

namespace Portable.Tests.Models;

[CollectionDefinition("Memory", DisableParallelization = true)]
public sealed class MemoryCollection;

/// <summary>The estimate of memory before loading against what the collector counts afterwards: nobody else allocates meanwhile.</summary>
[Collection("Memory")]
public class CpuMemoryTests
{
    [Theory]
    [InlineData("W4A8KV8H8", 1, false)]
    [InlineData("W2*A8KV4H3", 3, true)]
    [InlineData("W6A6g64", 2, false)]
    [InlineData("W4A16H4", 1, true)]
    [InlineData("W8A8", 1, true)]
    public void AnEstimateIsWhatIsAllocated(string scheme, int sequences, bool tied)
    {
        const int Context = 3000;
        QuantizationScheme widths = QuantizationScheme.Parse(scheme);
        ModelConfig config = Windowed() with { TiedEmbeddings = tied };
        AssertTaken(new SyntheticModel(config, widths), sequences, Context, CpuMemory.Of(config, widths, ElementType.Float16, sequences, Context).Total);
    }

    [Theory]
    [InlineData("W4A8H4")]
    [InlineData("W6A6g64KV4")]
    public void SoIsThatOfALoadedModel(string scheme)
    {
        ModelConfig config = Windowed() with { VocabularySize = 3000 };
        RandomModel source = RandomModel.RoundToNearest(config, scheme, 3);
        AssertTaken(source, 2, 900, CpuMemory.Of(source, 2, 900).Total);
    }

    [Property(MaxTest = 50)]
    public void TheLargestContextIsTheLast(ushort kilobytes, byte kv, byte sequences)
    {
        (ModelConfig config, int bits, int texts, long bytes) = (Windowed(), kv % 3 == 0 ? 32 : kv % 3 == 1 ? 16 : 4, 1 + sequences % 4, 1024L * kilobytes);
        int context = CpuMemory.LargestContext(config, bits, texts, bytes);
        Assert.InRange(context, 1, config.MaximumPositions);
        Assert.True(context == 1 || CpuMemory.CacheBytes(config, bits, texts, context) <= bytes);
        Assert.True(context == config.MaximumPositions || CpuMemory.CacheBytes(config, bits, texts, context + 1) > bytes);
    }

    /// <summary>Half of the blocks see a window, and their caches hold no more.</summary>
    private static ModelConfig Windowed()
    {
        ModelConfig config = RandomModel.Llama(heads: 16, keyValueHeads: 4, layers: 4, intermediate: 640) with { VocabularySize = 9000, MaximumPositions = 4096 };
        return config with { Blocks = [.. config.Blocks.Select((b, i) => i % 2 == 0 ? b : b with { Attention = b.Attention with { Window = 64 } })] };
    }

    private static void AssertTaken(IModelSource source, int sequences, int context, long estimate)
    {
        // What the process makes once, and the thread's own buffers, are there before. What else it lets go meanwhile disturbs one of five.
        const int Attempts = 5;
        Taken(source, sequences, context);
        double[] ratios = [.. Enumerable.Range(0, Attempts).Select(_ => Taken(source, sequences, context) / (double)estimate).Order()];
        Assert.InRange(ratios[Attempts / 2], 0.97, 1.03);
    }

    [MethodImpl(MethodImplOptions.NoInlining)]
    private static long Taken(IModelSource source, int sequences, int context)
    {
        long before = Settled();
        using Transformer model = new(source, new CpuExecutor(1), sequences, context);
        // Room is made for as many rows as a batch has: here for the most.
        model.Forward(Batch.Consecutive(new int[CpuExecutor.Rows], 0, allLogits: false));
        int[] slots = [.. Enumerable.Range(0, sequences)];
        model.Forward(new Batch([.. slots], slots, [.. slots.Select(_ => 0)], slots));
        return Settled() - before;
    }

    private static long Settled()
    {
        // The crew keeps its last work, which has made the last table.
        WorkerPool.Run(64, _ => Thread.SpinWait(1));
        GC.Collect();
        GC.WaitForPendingFinalizers();
        return GC.GetTotalMemory(forceFullCollection: true);
    }
}
