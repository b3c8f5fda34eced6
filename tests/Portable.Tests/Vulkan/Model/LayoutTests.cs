using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Blocks;
using Portable.Reference.Quantization;
using Portable.Tests.Support;
using Portable.Vulkan.Contact;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>Models of every layout of the first check, with random gains and biases: the managed CPU's bits however tokens are cut, in the dispatches that are allowed.</summary>
[Collection("Vulkan")]
public sealed class LayoutTests(VulkanFixture vulkan)
{
    private const int Rows = 32, Tokens = 110;

    public static TheoryData<int> Models => [.. Enumerable.Range(0, CheckedModels.All.Count)];

    [SkippableTheory]
    [MemberData(nameof(Models))]
    public void LogitsEqualTheCpus(int index)
    {
        (_, ModelConfig config, string scheme) = CheckedModels.All[index];
        RandomModel source = RandomModel.RoundToNearest(config, scheme, index);
        int[] tokens = [.. Enumerable.Range(0, Tokens).Select(i => ((i * 31) + 5) % config.VocabularySize)];
        using Transformer cpu = new(source, new CpuExecutor());
        int[] expected = [.. cpu.Forward(Batch.Consecutive(tokens, 0, true)).ToArray().Select(BitConverter.SingleToInt32Bits)];
        VulkanExecutor executor = new(vulkan.Context, SelfCheck.Of(vulkan.Context), false, Rows);
        using Transformer gpu = new(source, executor);
        foreach (int chunk in new[] { Rows, 7, 1 })
        {
            for (int first = 0; first < Tokens; first += chunk)
            {
                int[] part = tokens[first..Math.Min(Tokens, first + chunk)], actual = [.. gpu.Forward(Batch.Consecutive(part, first, true)).ToArray().Select(BitConverter.SingleToInt32Bits)];
                Assert.Equal(expected[(first * config.VocabularySize)..((first * config.VocabularySize) + actual.Length)], actual);
            }
        }

        // Eight a layer, one more for each norm behind a part; embedding, last norm, head, and the softcap of a head of codes.
        bool apart = config.LogitSoftcap != 0 && QuantizationScheme.Parse(scheme).Table is not null;
        Assert.Equal(config.Blocks.Sum(b => b.HasNormsAfter ? 10 : 8) + 3 + (apart ? 1 : 0), executor.Dispatches);
        VulkanFixture.AssertNoValidationMessages();
    }

    /// <summary>A step allocates nothing where layers differ in their windows and positions.</summary>
    [SkippableFact]
    public void StepsOfDifferentLayersAllocateNothing()
    {
        ModelConfig config = CheckedModels.All.First(m => m.Config.Blocks.Select(b => b.Attention.Window).Distinct().Count() > 1).Config;
        using Transformer model = new(RandomModel.RoundToNearest(config, "W4A8KV8", 3), new VulkanExecutor(vulkan.Context, SelfCheck.Of(vulkan.Context), false, Rows));
        Batch[] steps = [.. Enumerable.Range(0, 8).Select(p => Batch.Consecutive([p + 1], p, true))];
        model.Forward(steps[0]);
        model.Forward(steps[1]);
        long allocated = GC.GetAllocatedBytesForCurrentThread();
        for (int i = 2; i < steps.Length; i++)
        {
            model.Forward(steps[i]);
        }

        Assert.Equal(0, GC.GetAllocatedBytesForCurrentThread() - allocated);
    }

    [SkippableFact]
    public void TheEstimateKnowsWindows()
    {
        BlockLayout block = RandomModel.Llama(8, 4, 1, 384).Blocks[0];
        BlockLayout windowed = block with { Attention = block.Attention with { Window = 100 } };
        ModelConfig config = RandomModel.Of("windowed", 1, block) with { Blocks = [block, windowed, windowed, windowed, windowed, windowed], VocabularySize = 1000, MaximumPositions = 3000 };
        RandomModel source = RandomModel.RoundToNearest(config, "W2A8KV8", 3);
        long before = vulkan.Context.UsedBytes;
        using Transformer model = new(source, new VulkanExecutor(vulkan.Context, SelfCheck.Of(vulkan.Context), false, 64));
        model.Forward(Batch.Consecutive([.. Enumerable.Range(0, 64)], 0, false));
        long taken = vulkan.Context.UsedBytes - before;
        Assert.InRange((double)taken / VulkanMemory.Of(source, 1, 3000, 64).Total, 0.9, 1.1);
    }
}
