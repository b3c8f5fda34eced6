using System.Text.Json;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Quantization;
using Portable.Tests.Models;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>Small trained checkpoints of every architecture: quantized, the managed CPU's bits, whole, in pieces and token by token.</summary>
[Collection("Vulkan")]
public sealed class ZooOnDeviceTests(VulkanFixture vulkan)
{
    private const int Tokens = 150;

    public static TheoryData<string> Names => ZooTests.Names;

    [SkippableTheory]
    [MemberData(nameof(Names))]
    public void TheDeviceGivesTheCpusBits(string name)
    {
        using IModelSource source = new ZooTests.Rounded(ZooTests.Open(name, out JsonElement expected), QuantizationScheme.Parse("W8A8KV8"));
        int[] ids = [.. expected.GetProperty("prompts")[2].GetProperty("ids").EnumerateArray().Take(Tokens).Select(e => e.GetInt32())];
        using Transformer cpu = new(source, new CpuExecutor(), context: ids.Length);
        int[] whole = [.. cpu.Forward(Batch.Consecutive(ids, 0, allLogits: true)).ToArray().Select(BitConverter.SingleToInt32Bits)];
        int vocabulary = cpu.Config.VocabularySize;

        // 40 rows at a time: windows of 64 are over caches that wrap. Single rows by the plan of most dispatches and by that of linked ones.
        foreach (DecodePlan plan in (DecodePlan[])[DecodePlan.Apart, DecodePlan.Linked])
        {
            VulkanExecutor executor = new(vulkan.Context, SelfCheck.Of(vulkan.Context), false, 40) { DecodePlan = plan };
            using Transformer gpu = new(source, executor, sequences: 2, context: ids.Length);
            int fed = 0;
            foreach (int piece in (int[])[40, 1, 1, 7, 40, 1, 1, 1, 30, 28])
            {
                int[] actual = [.. gpu.Forward(Batch.Consecutive(ids.AsSpan(fed, piece), fed, allLogits: true, sequence: 1)).ToArray().Select(BitConverter.SingleToInt32Bits)];
                Assert.Equal(whole[(fed * vocabulary)..((fed * vocabulary) + actual.Length)], actual);
                fed += piece;
            }

            Assert.Equal(Tokens, fed);
            Assert.False(executor.GaveUpLinks);
        }

        VulkanFixture.AssertNoValidationMessages();
    }
}
