using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Tests.Support;
using Portable.Vulkan.Contact;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Model;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.SelfChecks;
using Portable.Vulkan.Tensors;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>Decode steps whose products prepare their rows and finish with the activation (gemv): the managed CPU's bits, in fewer dispatches.</summary>
[Collection("Vulkan")]
public sealed class FusedProductsTests(VulkanFixture vulkan)
{
    private const int Steps = 5;

    /// <summary>Norms before and behind parts, windows and softcaps; norms behind parts and of queries and keys; partial rotary with GELU, squared ReLU and tables of codes; a capped head of codes; LayerNorm, which the kernel has not.</summary>
    [SkippableTheory]
    [InlineData("gemma")]
    [InlineData("olmo")]
    [InlineData("nemotron")]
    [InlineData("one table")]
    [InlineData("LayerNorm and ReLU over a KV2 cache")]
    public void EveryLayoutGivesTheCpusBits(string name)
    {
        (_, ModelConfig config, string scheme) = CheckedModels.All.First(m => m.Kind.Contains(name, StringComparison.Ordinal) || m.Config.ModelType == name);
        Decode(config, scheme, 3, DecodePlan.Fused);
        Decode(config, scheme, 3, DecodePlan.Linked);
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
    [InlineData("W8A8g128KV8")]
    [InlineData("W4A16KV8")]
    public void EverySchemeGivesTheCpusBits(string scheme)
    {
        ModelConfig llama = RandomModel.Llama(4, 2, 1, 352) with { VocabularySize = 150 };
        int fused = Decode(llama, scheme, 5, DecodePlan.Fused, out int none), linked = Decode(llama, scheme, 5, DecodePlan.Linked, out int rows), apart = (8 * llama.Layers) + 3;

        // Registers of a GPU, whose workgroups are of 1,024, hold no block of a group of 128 codes of 8 bits.
        int five = scheme == "W8A8g128KV8" && vulkan.Context.Facts.Kind != VulkanDeviceKind.Cpu ? fused : (5 * llama.Layers) + (scheme.Contains('H', StringComparison.Ordinal) ? 2 : 3);
        Assert.Equal(scheme.Contains("A16", StringComparison.Ordinal) ? apart : five, fused);
        Assert.Equal(fused, linked);

        // All dispatches of the layers; 16-bit activations have none that wait.
        Assert.Equal((0, fused == apart ? 0 : 5 * llama.Layers), (none, rows));
    }

    /// <summary>Contexts that workgroups share: linked in one dispatch over a 16-bit cache, ordered by a barrier within the two of a quantized one.</summary>
    [SkippableTheory]
    [InlineData("W4A8", 0)]
    [InlineData("W4A8KV8", 2)]
    public void SharedContextsGiveTheCpusBits(string scheme, int more)
    {
        const int Heads = 4, Stretches = 4;
        ModelConfig llama = RandomModel.Llama(Heads, 2, 2, 352) with { VocabularySize = 150 };
        AttentionChoice choice = new() { Workgroups = Heads * Stretches, SplitTokens = 0 };
        Assert.Equal((5 * llama.Layers) + 3 + more, Decode(llama, scheme, 7, DecodePlan.Linked, choice, 70));
    }

    /// <summary>Scores that shared memory does not hold lie in memory that all layers share.</summary>
    [SkippableTheory]
    [InlineData("W4A8KV8")]
    [InlineData("W4A8KV4")]
    public void ScoresInMemoryGiveTheCpusBits(string scheme) =>
        Decode(RandomModel.Llama(4, 2, 3, 352) with { VocabularySize = 150, MaximumPositions = 2112 }, scheme, 8, DecodePlan.Linked);

    /// <summary>A workgroup that never arrives: every wait ends, the step is run again with barriers, and so is what follows.</summary>
    [SkippableTheory]
    [InlineData("W4A8KV8")]
    [InlineData("W4A8g64")]
    [InlineData("W8A8KV8H8")]
    public void AnAbsentWorkgroupIsDoneWithout(string scheme)
    {
        using VulkanContext gpu = VulkanContext.Open(vulkan.Context.Facts);
        gpu.Faults = new FaultInjection { AbsentWorkgroups = 1 };
        ModelConfig llama = RandomModel.Llama(4, 2, 1, 352) with { VocabularySize = 150 };
        RandomModel source = RandomModel.RoundToNearest(llama, scheme, 9);
        int[] tokens = [3, 1, 4];
        using Transformer cpu = new(source, new CpuExecutor());
        int[] expected = [.. cpu.Forward(Batch.Consecutive(tokens, 0, true)).ToArray().Select(BitConverter.SingleToInt32Bits)];
        VulkanExecutor executor = new(gpu, SelfCheck.Of(gpu), false) { DecodePlan = DecodePlan.Linked };
        using Transformer model = new(source, executor);
        Assert.False(executor.GaveUpLinks);
        for (int i = 0; i < tokens.Length; i++)
        {
            int[] actual = [.. model.Forward(Batch.Consecutive([tokens[i]], i, true)).ToArray().Select(BitConverter.SingleToInt32Bits)];
            Assert.Equal(expected[(i * llama.VocabularySize)..((i + 1) * llama.VocabularySize)], actual);
            Assert.True(executor.GaveUpLinks);
            Assert.Equal(i + 2, executor.Submissions);
        }
    }

    private int Decode(ModelConfig config, string scheme, int seed, DecodePlan plan, AttentionChoice? choice = null, int steps = Steps) => Decode(config, scheme, seed, plan, out _, choice, steps);

    private int Decode(ModelConfig config, string scheme, int seed, DecodePlan plan, out int linked, AttentionChoice? choice = null, int steps = Steps)
    {
        RandomModel source = RandomModel.RoundToNearest(config, scheme, seed);
        int[] tokens = [.. Enumerable.Range(0, steps).Select(i => ((i * 31) + 5) % config.VocabularySize)];
        using Transformer cpu = new(source, new CpuExecutor());
        int[] expected = [.. cpu.Forward(Batch.Consecutive(tokens, 0, true)).ToArray().Select(BitConverter.SingleToInt32Bits)];
        VulkanExecutor executor = new(vulkan.Context, SelfCheck.Of(vulkan.Context), false) { DecodePlan = plan, Choice = choice ?? new AttentionChoice() };
        using Transformer gpu = new(source, executor);
        for (int position = 0; position < steps; position++)
        {
            // The same without logits takes commands of its own.
            if (position % 2 == 1)
            {
                gpu.Forward(Batch.Consecutive([tokens[position]], position, false));
            }

            int[] actual = [.. gpu.Forward(Batch.Consecutive([tokens[position]], position, true)).ToArray().Select(BitConverter.SingleToInt32Bits)];
            Assert.Equal(expected[(position * config.VocabularySize)..((position + 1) * config.VocabularySize)], actual);
        }

        Assert.False(executor.GaveUpLinks);
        VulkanFixture.AssertNoValidationMessages();
        linked = executor.LinkedDispatches;
        return executor.Dispatches;
    }
}
