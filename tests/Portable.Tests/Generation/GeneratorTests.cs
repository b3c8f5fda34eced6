using FsCheck.Xunit;
using Portable.Execution;
using Portable.Generation;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Blocks;
using Portable.Tests.Support;

namespace Portable.Tests.Generation;

public sealed class GeneratorTests
{
    private static Transformer Model(ModelConfig? config = null) => new(RandomModel.RoundToNearest(config ?? RandomModel.Llama(), "W4A8KV8", 4), new CpuExecutor());

    [Fact]
    public void Greedy_text_is_the_argmax_of_the_whole_sequence_each_time()
    {
        int[] prompt = [1, 17, 33];
        using Transformer model = Model();
        int[] made = new Generator(model, new Sampler(new SamplingOptions())).Generate(prompt, 12).ToArray();
        List<int> sequence = [.. prompt];
        foreach (int token in made)
        {
            ReadOnlySpan<float> logits = model.Forward(Batch.Consecutive(sequence.ToArray(), 0, allLogits: false));
            int best = Enumerable.Range(0, logits.Length).MaxBy(i => model.Forward(Batch.Consecutive(sequence.ToArray(), 0, allLogits: false))[i]);
            Assert.Equal(best, token);
            sequence.Add(token);
        }

        Assert.Equal(12, made.Length);
    }

    /// <summary>What a slot holds of a prompt is not fed again, and changes nothing: also where a window has given up what is going back to.</summary>
    [Property(MaxTest = 6)]
    public void Prompts_that_share_a_beginning_are_continued_as_alone(int seed, bool windowed)
    {
        ModelConfig config = RandomModel.Llama();
        if (windowed)
        {
            BlockLayout block = config.Blocks[0];
            config = config with { Blocks = [block with { Attention = block.Attention with { Window = 8 } }, block], MaximumPositions = 2400 };
        }

        Random random = new(seed);
        using Transformer shared = Model(config), alone = Model(config);
        CacheSlots slots = new(1, shared.Context, shared.Forgets);
        int[] prompt = [1];
        for (int turn = 0; turn < 4; turn++)
        {
            // Part of the prompt before, longer than any batch now and then, and something new.
            prompt = [.. prompt[..(1 + random.Next(prompt.Length))], .. Enumerable.Range(0, random.Next(windowed ? 900 : 30)).Select(_ => random.Next(97))];
            int[] Continue(Transformer model, TakenSequence? taken) => [.. new Generator(model, new Sampler(new SamplingOptions()), taken).Generate(prompt, 6, ignoreEnd: true)];
            using TakenSequence taken = slots.TakeWhole(prompt, prompt.Length + 6);
            int[] made = Continue(shared, taken);
            Assert.Equal(Continue(alone, null), made);
            Assert.Equal(prompt.Length + made.Length - 1, taken.Held);
            prompt = [.. prompt, .. made];
        }
    }

    [Fact]
    public void The_same_seed_draws_the_same_text_and_another_seed_another()
    {
        using Transformer model = Model();
        int[] Draw(int seed) => new Generator(model, new Sampler(new SamplingOptions { Temperature = 1.5, Seed = seed })).Generate([1, 2], 30, ignoreEnd: true).ToArray();
        Assert.Equal(Draw(7), Draw(7));
        Assert.NotEqual(Draw(7), Draw(8));
    }

    [Fact]
    public void An_end_token_stops_unless_ignored()
    {
        using Transformer probe = Model();
        int[] free = new Generator(probe, new Sampler(new SamplingOptions())).Generate([1, 17, 33], 10, ignoreEnd: true).ToArray();
        using Transformer model = Model(RandomModel.Llama() with { EndTokens = [free[4]] });
        int[] stopped = new Generator(model, new Sampler(new SamplingOptions())).Generate([1, 17, 33], 10).ToArray();
        Assert.Equal(free[..Array.IndexOf(free, free[4])], stopped);
        Assert.Equal(free, new Generator(model, new Sampler(new SamplingOptions())).Generate([1, 17, 33], 10, ignoreEnd: true));
    }

    [Fact]
    public void Generation_ends_where_the_context_is_full()
    {
        using Transformer model = new(RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8", 4), new CpuExecutor(), context: 10);
        int[] made = new Generator(model, new Sampler(new SamplingOptions())).Generate([1, 2, 3], 100, ignoreEnd: true).ToArray();
        Assert.Equal(8, made.Length); // positions 3…9 are fed; the eighth token is made from position 9.
        Assert.Throws<ArgumentException>(() => new Generator(model, new Sampler(new SamplingOptions())).Generate(new int[10], 1).ToArray());
    }
}
