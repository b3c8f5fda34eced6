using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Portable.Tests.Support;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;
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
        { "llama", "W4A8H8" },
        { "opt", "W4A8KV8H3" },
        { "llama", "W4A8a32" },
        { "llama", "W2*A8g16a64KV8H6" },
        { "opt", "W3A6g64a16KV4" },
    };

    public static TheoryData<int> HeadBits => [2, 3, 4, 5, 6, 7, 8];

    /// <summary>Embedding and head in every width, one table for both: rows of what the matmul multiplies, whole and single tokens.</summary>
    [SkippableTheory]
    [MemberData(nameof(HeadBits))]
    public void TiedTablesOfCodesEqualTheCpus(int bits) => CompareChunks(RandomModel.RoundToNearest(RandomModel.Llama(layers: 1) with { TiedEmbeddings = true, VocabularySize = 61 + (17 * bits) }, $"W4A8H{bits}", 23), $"H{bits}");

    /// <summary>A softcap behind the matmul, a factor behind the codes of the embedding.</summary>
    [SkippableFact]
    public void ScaledAndCappedTablesOfCodesEqualTheCpus() => CompareChunks(RandomModel.RoundToNearest(RandomModel.Llama(layers: 1) with { TiedEmbeddings = true, EmbeddingScale = 8, LogitSoftcap = 5 }, "W4A8H4", 31), "capped");

    /// <summary>A width that fills no block, and rows that fill no tile.</summary>
    [SkippableFact]
    public void TablesOfCodesOfAnOddWidthEqualTheCpus() => CompareChunks(RandomModel.RoundToNearest(RandomModel.Llama(heads: 5, keyValueHeads: 5, layers: 1) with { VocabularySize = 33 }, "W4A8H5", 29), "odd");

    [SkippableTheory]
    [MemberData(nameof(Cases))]
    public void LogitsEqualTheCpus(string family, string scheme)
    {
        ModelConfig config = family == "opt" ? RandomModel.Opt() : RandomModel.Llama();
        CompareChunks(RandomModel.RoundToNearest(config, scheme, 7), scheme);
    }

    /// <summary>FlexQ's mixed widths: the layers behind attention and gate take 8-bit activations, the others 6.</summary>
    [SkippableFact]
    public void MixedActivationWidthsEqualTheCpus() => CompareChunks(
        new RandomModel(RandomModel.Llama(), 16, 11, (name, w, n, k, bias) => Quantize(w, n, k, bias, name.EndsWith("down", StringComparison.Ordinal) || name.EndsWith(".v", StringComparison.Ordinal) ? "W6A8g64" : "W6A6g64")),
        "mixed");

    /// <summary>FlattenQuant's static scale and column map, a different one for each layer, so that query, key and value have inputs of their own.</summary>
    [SkippableFact]
    public void ColumnMapsEqualTheCpus() => CompareChunks(new RandomModel(RandomModel.Llama(), 16, 13, Flattened), "flattened");

    [SkippableFact]
    public void StaticScalesEqualTheCpus() => CompareChunks(
        new RandomModel(RandomModel.Opt(), 16, 17, (_, w, n, k, bias) =>
        {
            (QuantizedLinear layer, string scheme) = Quantize(w, n, k, bias, "W8A8");
            return (new QuantizedLinear(layer.Weights, layer.Scales, layer.ZeroPoints, layer.Bias, new ActivationQuantizer(new CodeFormat(8, true), ActivationMode.Static, 0, 0.03f)), scheme);
        }),
        "static");

    /// <summary>Asymmetric activations, per token and per group, with zero points on both sides (ABQ-LLM).</summary>
    [SkippableTheory]
    [InlineData("W4A8", 8)]
    [InlineData("W3A5g64", 5)]
    [InlineData("W4A8g32a64", 8)]
    [InlineData("W5A4a16", 4)]
    public void AsymmetricActivationsEqualTheCpus(string scheme, int bits) => CompareChunks(
        new RandomModel(RandomModel.Llama(), 8, 19, (_, w, n, k, bias) =>
        {
            (QuantizedLinear layer, string name) = Quantize(w, n, k, bias, scheme);
            ActivationQuantizer input = new(new CodeFormat(bits, false), ActivationMode.Asymmetric, QuantizationScheme.Parse(scheme) is { ActivationGroupSize: > 0 and var own } ? own : QuantizationScheme.Parse(scheme).GroupSize);
            return (new QuantizedLinear(layer.Weights, layer.Scales, layer.ZeroPoints, layer.Bias, input, layer.GroupSize), name);
        }),
        scheme);

    /// <summary>Sequences decoded together, with prompts of different lengths prefilled in one batch, equal each sequence alone.</summary>
    [SkippableTheory]
    [InlineData("W4A8KV4", 3)]
    [InlineData("W6A6g64", 3)]
    [InlineData("W4A8KV8", 64)]
    public void BatchedSequencesEqualEachAlone(string scheme, int sequences)
    {
        ModelConfig config = RandomModel.Llama();
        RandomModel source = RandomModel.RoundToNearest(config, scheme, 5);
        int[] lengths = sequences == 3 ? [70, 3, 19] : [.. Enumerable.Range(0, sequences).Select(s => 1 + (s * 5 % 9))];
        int[] slots = [.. Enumerable.Range(0, sequences)];
        using Transformer cpu = new(source, new CpuExecutor(), lengths.Length);
        using Transformer gpu = new(source, new VulkanExecutor(vulkan.Context, SelfCheck.Of(vulkan.Context), false), lengths.Length);
        int Token(int sequence, int position) => (position * 13 + sequence * 7 + 1) % config.VocabularySize;

        (int Sequence, int Position)[] prompt = [.. lengths.SelectMany((length, s) => Enumerable.Range(0, length).Select(p => (s, p)))];
        int[] last = [.. lengths.Select((_, s) => lengths.Take(s + 1).Sum() - 1)];
        int[] tokens = [.. prompt.Select(r => Token(r.Sequence, r.Position))];
        Batch batch = new(tokens, [.. prompt.Select(r => r.Sequence)], [.. prompt.Select(r => r.Position)], last);
        AssertSameBits(cpu.Forward(batch), gpu.Forward(batch), "prompts");
        for (int step = 0; step < 4; step++)
        {
            int[] positions = [.. lengths.Select(l => l + step)];
            Batch next = new([.. positions.Select((p, s) => Token(s, p))], slots, positions, slots);
            AssertSameBits(cpu.Forward(next), gpu.Forward(next), $"step {step}");
        }
    }

    private void CompareChunks(RandomModel source, string what)
    {
        ModelConfig config = source.Config;
        int[] tokens = [.. Enumerable.Range(0, 69).Select(i => (i * 31 + 5) % config.VocabularySize)];
        using Transformer cpu = new(source, new CpuExecutor());
        float[] expected = cpu.Forward(Batch.Consecutive(tokens, 0, true)).ToArray();
        using Transformer gpu = new(source, new VulkanExecutor(vulkan.Context, SelfCheck.Of(vulkan.Context), false));
        foreach (int chunk in new[] { tokens.Length, 7, 1 })
        {
            for (int first = 0; first < tokens.Length; first += chunk)
            {
                int[] part = tokens[first..Math.Min(tokens.Length, first + chunk)];
                ReadOnlySpan<float> actual = gpu.Forward(Batch.Consecutive(part, first, true));
                AssertSameBits(expected.AsSpan(first * config.VocabularySize, actual.Length), actual, $"{what}, chunk {chunk} at {first}");
            }
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    private static (QuantizedLinear Layer, string Scheme) Quantize(float[] w, int n, int k, float[]? bias, string scheme)
    {
        QuantizationScheme parsed = QuantizationScheme.Parse(scheme);
        return (RoundToNearest.Quantize(w, n, k, bias, parsed), parsed.Layer.ToString());
    }

    private static (QuantizedLinear Layer, string Scheme) Flattened(string name, float[] w, int n, int k, float[]? bias)
    {
        // Every third channel has a second digit behind the others.
        int[] second = [.. Enumerable.Range(0, k).Where(c => (c + name.Length) % 3 == 0)];
        int[] sources = [.. Enumerable.Range(0, k), .. second], offsets = [.. new int[k], .. second.Select(_ => 7)];
        int[] limits = [.. Enumerable.Repeat(7, sources.Length)];
        float[] expanded = new float[n * sources.Length];
        for (int row = 0; row < n; row++)
        {
            for (int j = 0; j < sources.Length; j++)
            {
                expanded[(row * sources.Length) + j] = w[(row * k) + sources[j]];
            }
        }

        (QuantizedLinear layer, string scheme) = Quantize(expanded, n, sources.Length, bias, "W4A4");
        ActivationQuantizer input = new(new CodeFormat(4, true), ActivationMode.Static, 0, 0.21f, new ColumnMap(sources, offsets, limits));
        return (new QuantizedLinear(layer.Weights, layer.Scales, layer.ZeroPoints, layer.Bias, input), scheme);
    }

    private static void AssertSameBits(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual, string what)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]))
            {
                Assert.Fail($"{what}: logit {i} is {actual[i]:R}, not {expected[i]:R}");
            }
        }
    }
}
