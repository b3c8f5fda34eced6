using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Quantization;
using Portable.Tests.Support;

namespace Portable.Tests.Models;

/// <summary>Decode equals prefill, one token at a time equals a batch: to the bit, for every scheme, family and cache.</summary>
public sealed class ChunkingTests
{
    public static TheoryData<string, string> Cases()
    {
        TheoryData<string, string> data = [];
        foreach (string family in new[] { "llama", "opt" })
        {
            foreach (string scheme in new[] { "W8A8", "W6A6g128", "W4A4KV4", "W2*A8KV8", "W4A16", "W3A5g64KV2", "W4A8H8", "W2*A8KV8H3" })
            {
                data.Add(family, scheme);
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Logits_do_not_depend_on_how_tokens_are_fed(string family, string scheme)
    {
        int[] tokens = Tokens(70, 3);
        float[] whole = Run(family, scheme, tokens, 70);
        Assert.Equal(Bits(whole), Bits(Run(family, scheme, tokens, 7)));
        Assert.Equal(Bits(whole), Bits(Run(family, scheme, tokens, 1)));
        Assert.True(whole.Distinct().Count() > whole.Length / 2, "the logits are degenerate");
    }

    [Theory]
    [InlineData("llama", "W4A8")]
    [InlineData("opt", "W3A5g64KV2")]
    [InlineData("llama", "W2*A16")]
    [InlineData("opt", "W4A8H4")]
    public void Logits_do_not_depend_on_the_number_of_threads(string family, string scheme)
    {
        int[] tokens = Tokens(40, 3);
        int[] alone = Bits(Run(family, scheme, tokens, 7, new CpuExecutor(1)));
        Assert.All((int[])[2, 3, 8], threads => Assert.Equal(alone, Bits(Run(family, scheme, tokens, 7, new CpuExecutor(threads)))));
    }

    [Theory]
    [InlineData("W4A4KV4")]
    [InlineData("W6A6g128")]
    [InlineData("W4A8H5")]
    public void Sequences_of_a_batch_do_not_see_each_other(string scheme)
    {
        int[] first = Tokens(20, 5), second = Tokens(20, 6);
        float[] alone = Run("llama", scheme, second, 20);
        using Transformer model = new(RandomModel.RoundToNearest(RandomModel.Llama(), scheme, 1), new CpuExecutor(), sequences: 2);
        int vocabulary = model.Config.VocabularySize;
        for (int i = 0; i < 20; i++)
        {
            ReadOnlySpan<float> logits = model.Forward(new Batch([first[i], second[i]], [1, 0], [i, i], [0, 1]));
            Assert.Equal(Bits(alone.AsSpan(i * vocabulary, vocabulary)), Bits(logits.Slice(vocabulary, vocabulary)));
        }
    }

    [Fact]
    public void Layers_with_different_inputs_share_what_they_can()
    {
        // q at A8, k and v at A6: two inputs and two runs; the same bits as each layer on its own would give.
        RandomModel source = new(RandomModel.Llama(), 16, 1, (name, w, n, k, bias) =>
        {
            QuantizationScheme scheme = QuantizationScheme.Parse(name.EndsWith(".q", StringComparison.Ordinal) || name.EndsWith("up", StringComparison.Ordinal) ? "W4A8" : "W5A6");
            return (RoundToNearest.Quantize(w, n, k, bias, scheme), scheme.ToString());
        });
        int[] tokens = Tokens(40, 9);
        using Transformer model = new(source, new CpuExecutor());
        float[] whole = model.Forward(Batch.Consecutive(tokens, 0, allLogits: true)).ToArray();
        float[] last = model.Forward(Batch.Consecutive(tokens.AsSpan(39), 39, allLogits: true)).ToArray();
        Assert.Equal(Bits(whole.AsSpan(39 * 97)), Bits(last));
    }

    [Theory]
    [InlineData(-1, 0, 0)]
    [InlineData(97, 0, 0)]
    [InlineData(5, 160, 0)]
    [InlineData(5, 0, 1)]
    public void Tokens_positions_and_sequences_out_of_range_are_errors(int token, int position, int sequence)
    {
        using Transformer model = new(RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8", 1), new CpuExecutor());
        Assert.Throws<ArgumentException>(() => model.Forward(new Batch([token], [sequence], [position], [0])));
    }

    internal static int[] Tokens(int count, int seed)
    {
        Random random = new(seed);
        return Enumerable.Range(0, count).Select(_ => random.Next(97)).ToArray();
    }

    internal static float[] Run(string family, string scheme, int[] tokens, int chunk, Executor? executor = null)
    {
        ModelConfig config = family == "opt" ? RandomModel.Opt() : RandomModel.Llama();
        using Transformer model = new(RandomModel.RoundToNearest(config, scheme, 1), executor ?? new CpuExecutor());
        List<float> logits = [];
        for (int start = 0; start < tokens.Length; start += chunk)
        {
            logits.AddRange(model.Forward(Batch.Consecutive(tokens.AsSpan(start, Math.Min(chunk, tokens.Length - start)), start, allLogits: true)));
        }

        return [.. logits];
    }

    internal static int[] Bits(ReadOnlySpan<float> values)
    {
        int[] bits = new int[values.Length];
        for (int i = 0; i < bits.Length; i++)
        {
            bits[i] = BitConverter.SingleToInt32Bits(values[i]);
        }

        return bits;
    }
}
