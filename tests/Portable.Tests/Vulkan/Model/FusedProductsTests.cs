using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Tests.Support;
using Portable.Vulkan.Contact;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>Decode steps whose products prepare their rows and finish with the activation (gemv): the managed CPU's bits, in fewer dispatches.</summary>
[Collection("Vulkan")]
public sealed class FusedProductsTests(VulkanFixture vulkan)
{
    private const int Steps = 5;

    /// <summary>Norms behind parts and of queries and keys; partial rotary with GELU, squared ReLU and tables of codes; a capped head of codes; LayerNorm, which the kernel has not.</summary>
    [SkippableTheory]
    [InlineData("olmo")]
    [InlineData("nemotron")]
    [InlineData("one table")]
    [InlineData("LayerNorm and ReLU over a KV2 cache")]
    public void EveryLayoutGivesTheCpusBits(string name)
    {
        (_, ModelConfig config, string scheme) = CheckedModels.All.First(m => m.Kind.Contains(name, StringComparison.Ordinal) || m.Config.ModelType == name);
        Decode(config, scheme, 3);
    }

    /// <summary>Widths, signs and groups of codes, those multiplied where they lie (2 and 4 bits) and those moved before; rows that end inside a group and a block, slices without a block, workgroups with several turns.</summary>
    [SkippableTheory]
    [InlineData("W1A8KV8")]
    [InlineData("W2A8KV8")]
    [InlineData("W2*A8KV4")]
    [InlineData("W4A8g64KV8")]
    [InlineData("W6A6g64")]
    [InlineData("W5A7g128KV8H8")]
    [InlineData("W8A8KV8H4")]
    [InlineData("W4A16KV8")]
    public void EverySchemeGivesTheCpusBits(string scheme)
    {
        ModelConfig llama = RandomModel.Llama(4, 2, 1, 352) with { VocabularySize = 150 };
        int fused = Decode(llama, scheme, 5), apart = (8 * llama.Layers) + 3;
        Assert.Equal(scheme.Contains("A16", StringComparison.Ordinal) ? apart : (5 * llama.Layers) + (scheme.Contains('H', StringComparison.Ordinal) ? 2 : 3), fused);
    }

    private int Decode(ModelConfig config, string scheme, int seed)
    {
        RandomModel source = RandomModel.RoundToNearest(config, scheme, seed);
        int[] tokens = [.. Enumerable.Range(0, Steps).Select(i => ((i * 31) + 5) % config.VocabularySize)];
        using Transformer cpu = new(source, new CpuExecutor());
        int[] expected = [.. cpu.Forward(Batch.Consecutive(tokens, 0, true)).ToArray().Select(BitConverter.SingleToInt32Bits)];
        VulkanExecutor executor = new(vulkan.Context, SelfCheck.Of(vulkan.Context), false) { FusesProducts = true };
        using Transformer gpu = new(source, executor);
        for (int position = 0; position < Steps; position++)
        {
            int[] actual = [.. gpu.Forward(Batch.Consecutive([tokens[position]], position, true)).ToArray().Select(BitConverter.SingleToInt32Bits)];
            Assert.Equal(expected[(position * config.VocabularySize)..((position + 1) * config.VocabularySize)], actual);
        }

        VulkanFixture.AssertNoValidationMessages();
        return executor.Dispatches;
    }
}
