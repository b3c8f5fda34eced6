using System.Text.Json;
using Portable.Checkpoints.Format;
using Portable.Evaluation;
using Portable.Execution;
using Portable.Generation;
using Portable.Inference;
using Portable.Models;
using Portable.Tests.Support;

namespace Portable.Tests.Models;

/// <summary>The float path against values that an independent implementation computed from the same weights.</summary>
public sealed class ExpectedValuesTests
{
    [SkippableTheory]
    [InlineData("tiny-llama")]
    [InlineData("small-llama")]
    [InlineData("tiny-opt")]
    public void Prompts_give_the_same_losses_logits_and_argmax(string name)
    {
        using Transformer model = Load(name, out JsonElement expected);
        foreach (JsonElement prompt in expected.GetProperty("prompts").EnumerateArray())
        {
            int[] ids = Integers(prompt.GetProperty("ids"));
            double[] losses = new double[ids.Length - 1];
            Perplexity.Score(model, ids, losses);
            double[] wanted = prompt.GetProperty("next_nll").EnumerateArray().Select(e => e.GetDouble()).ToArray();
            Assert.All(losses.Zip(wanted), pair => Assert.Equal(pair.Second, pair.First, 2e-3));

            float[] logits = model.Forward(Batch.Consecutive(ids, 0, allLogits: true)).ToArray();
            int vocabulary = model.Config.VocabularySize;
            Assert.Equal(Integers(prompt.GetProperty("argmax")), Enumerable.Range(0, ids.Length).Select(i => Sampler.Greedy(logits.AsSpan(i * vocabulary, vocabulary))));
            double[] last = prompt.GetProperty("last_logits_first64").EnumerateArray().Select(e => e.GetDouble()).ToArray();
            Assert.All(last.Select((value, i) => (value, i)), p => Assert.Equal(p.value, logits[^vocabulary..][p.i], 2e-3));
        }
    }

    [SkippableTheory]
    [InlineData("tiny-llama")]
    [InlineData("small-llama")]
    public void Greedy_continuations_are_identical(string name)
    {
        using Transformer model = Load(name, out JsonElement expected);
        int[] ids = Integers(expected.GetProperty("greedy").GetProperty("ids"));
        int prompt = expected.GetProperty("greedy").GetProperty("prompt_tokens").GetInt32();
        Assert.Equal(ids[prompt..], new Generator(model, new Sampler(new SamplingOptions())).Generate(ids[..prompt], ids.Length - prompt, ignoreEnd: true));
    }

    private static Transformer Load(string name, out JsonElement expected)
    {
        string? directory = SharedData.Models(name);
        Skip.If(directory is null, SharedData.Absent);
        expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(directory, "expected.json"))).RootElement;
        using IModelSource source = Checkpoint.Open(directory);
        return new Transformer(source, new CpuExecutor(), context: 128);
    }

    private static int[] Integers(JsonElement array) => array.EnumerateArray().Select(e => e.GetInt32()).ToArray();
}
