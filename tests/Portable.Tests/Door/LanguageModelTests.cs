using Portable.Evaluation;
using Portable.Execution;
using Portable.Inference;
using Portable.Tests.Support;

namespace Portable.Tests.Door;

/// <summary>The front door gives what the rooms behind it give, and keeps its word about threads.</summary>
public sealed class LanguageModelTests
{
    private const string Prompt = "The old lighthouse was";
    private static readonly GenerationOptions Few = new() { MaximumTokens = 12, IgnoreEnd = true };

    [Fact]
    public void PiecesAreTheTextOfTheTokens()
    {
        using LanguageModel model = Open();
        int[] ids = [.. model.Generate(model.Encode(Prompt), Few)];
        Assert.Equal(12, ids.Length);
        string whole = model.Tokenizer.Decode([.. model.Encode(Prompt), .. ids]);
        Assert.Equal(whole, Prompt + string.Concat(model.Generate(Prompt, Few)));
        Assert.StartsWith(Prompt + " ", whole, StringComparison.Ordinal);
    }

    /// <summary>What was begun ahead is used once, for the directory it was begun for; what cannot be read is told by opening.</summary>
    [Fact]
    public void WhatWasForeseenIsTheSameModel()
    {
        using LanguageModel model = Open();
        LanguageModel.Foresee(model.Directory);
        using LanguageModel foreseen = Open(), again = Open();
        Assert.Equal(model.Generate(Prompt, Few), foreseen.Generate(Prompt, Few));
        Assert.NotSame(foreseen.Tokenizer, again.Tokenizer);
        LanguageModel.Foresee(Path.Combine(model.Directory, "nothing"));
        using LanguageModel other = Open();
        Assert.Equal(model.Encode(Prompt), other.Encode(Prompt));
        LanguageModel.Foresee(Path.Combine(model.Directory, "nothing"));
        Assert.Throws<Portable.Checkpoints.CheckpointException>(() => LanguageModel.Open(Path.Combine(model.Directory, "nothing")));
    }

    [Fact]
    public async Task AsynchronousPiecesAreTheSame()
    {
        using LanguageModel model = Open();
        List<string> pieces = [];
        await foreach (string piece in model.GenerateAsync(Prompt, Few))
        {
            pieces.Add(piece);
        }

        Assert.Equal(model.Generate(Prompt, Few), pieces);
    }

    [Fact]
    public async Task CancellationEndsAnAsynchronousTextAndFreesTheModel()
    {
        using LanguageModel model = Open();
        using var cancellation = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (string piece in model.GenerateAsync(Prompt, Few with { MaximumTokens = 1000 }, cancellation.Token))
            {
                cancellation.Cancel();
            }
        });
        Assert.NotEmpty(model.Logits([1, 2, 3]));
    }

    [Fact]
    public void TextsAtOnceAreEachAsAlone()
    {
        string[] prompts = ["The old lighthouse was", "Once", "In the garden"];
        using LanguageModel alone = Open(), together = Open(sequences: prompts.Length);
        int[][] expected = [.. prompts.Select(p => alone.Generate(alone.Encode(p), Few).ToArray())];
        int[][] made = new int[prompts.Length][];
        Parallel.For(0, prompts.Length, new ParallelOptions { MaxDegreeOfParallelism = prompts.Length }, i => made[i] = [.. together.Generate(together.Encode(prompts[i]), Few)]);
        Assert.Equal(expected, made);
    }

    [Fact]
    public void OneTextMoreThanTheModelTakesIsRefusedUntilOneEnds()
    {
        using LanguageModel model = Open();
        using (IEnumerator<string> first = model.Generate(Prompt, Few).GetEnumerator())
        {
            Assert.True(first.MoveNext());
            Assert.Contains("busy", Assert.Throws<InvalidOperationException>(() => model.Generate(Prompt, Few).First()).Message, StringComparison.Ordinal);
            Assert.Throws<InvalidOperationException>(() => model.Logits([1, 2]));
            Assert.True(first.MoveNext());
        }

        Assert.NotEmpty(model.Generate(Prompt, Few).First());
    }

    [Fact]
    public void LogitsAreTheTransformersWhateverTheChunk()
    {
        int[] ids = [1, 17, 33, 250, 9, 4, 77];
        using LanguageModel model = Open();
        float[] last = model.Logits(ids);
        foreach (int chunk in new[] { 0, 1, 3 })
        {
            float[] all = new float[ids.Length * model.VocabularySize];
            model.Logits(ids, (position, logits) => logits.CopyTo(all.AsSpan(position * model.VocabularySize)), chunk);
            Assert.Equal(last, all[^model.VocabularySize..]);
        }

        using Transformer transformer = new(DemoModel.Open(), new CpuExecutor());
        Assert.Equal(transformer.Forward(Batch.Consecutive(ids, 0, allLogits: false)).ToArray(), last);
    }

    [Fact]
    public void PerplexityIsThatOfTheEvaluation()
    {
        string text = File.ReadAllText(DemoModel.Text);
        using LanguageModel model = Open();
        using Transformer transformer = new(DemoModel.Open(), new CpuExecutor());
        PerplexityResult expected = Portable.Evaluation.Perplexity.Measure(transformer, model.Encode(text), 64, 3);
        Assert.Equal(expected.MeanNll, model.Perplexity(text, 64, 3).MeanNll);
    }

    [Fact]
    public void OptionsOutOfRangeAreRefusedBeforeAnythingRuns()
    {
        Assert.Contains("more than the model takes", Assert.Throws<ArgumentException>(() => LanguageModel.Open(DemoModel.Directory, Device.Cpu, new LanguageModelOptions { Context = 1 << 20 })).Message, StringComparison.Ordinal);
        using LanguageModel model = Open();
        foreach (GenerationOptions wrong in new GenerationOptions[] { new() { MaximumTokens = 0 }, new() { Temperature = -1 }, new() { TopK = -1 }, new() { TopP = 0 }, new() { TopP = 1.5 } })
        {
            Assert.Throws<ArgumentException>(() => model.Generate(Prompt, wrong));
        }

        Assert.Throws<ArgumentException>(() => model.Logits([]));
    }

    private static LanguageModel Open(int sequences = 1) =>
        LanguageModel.Open(DemoModel.Directory, Device.Cpu, new LanguageModelOptions { Context = 256, Sequences = sequences });
}
