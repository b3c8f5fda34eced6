using Portable.Execution;
using Portable.Models;
using Portable.Tests.Support;
using Portable.Vulkan.Model;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>Whole models on the Vulkan device give the bits of the managed CPU, however the tokens are cut into batches.</summary>
[Collection("Vulkan")]
public sealed class ModelEqualityTests(VulkanFixture vulkan)
{
    public static TheoryData<string, string> Cases => new()
    {
        { "llama", "W8A8" },
        { "llama", "W6A6g64" },
        { "llama", "W4A4KV4" },
        { "llama", "W2*A8KV8" },
        { "llama", "W4A16" },
        { "llama", "W3A5KV2" },
        { "opt", "W8A8" },
        { "opt", "W5A7KV3" },
    };

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void LogitsEqualTheCpus(string family, string scheme)
    {
        ModelConfig config = family == "opt" ? RandomModel.Opt() : RandomModel.Llama();
        RandomModel source = RandomModel.RoundToNearest(config, scheme, 7);
        int[] tokens = [.. Enumerable.Range(0, 75).Select(i => (i * 31 + 5) % config.VocabularySize)];
        using Transformer cpu = new(source, new CpuExecutor());
        float[] expected = cpu.Forward(Batch.Consecutive(tokens, 0, true)).ToArray();
        using Transformer gpu = new(source, new VulkanExecutor(vulkan.Context, false));
        foreach (int chunk in new[] { tokens.Length, 7, 1 })
        {
            for (int first = 0; first < tokens.Length; first += chunk)
            {
                int[] part = tokens[first..Math.Min(tokens.Length, first + chunk)];
                float[] actual = gpu.Forward(Batch.Consecutive(part, first, true)).ToArray();
                AssertSameBits(expected.AsSpan(first * config.VocabularySize, actual.Length), actual, $"{scheme} chunk {chunk} at {first}");
            }
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    private static void AssertSameBits(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]))
            {
                Assert.Fail($"{what}: logit {i} is {actual[i]:R}, not {expected[i]:R}");
            }
        }
    }
}
