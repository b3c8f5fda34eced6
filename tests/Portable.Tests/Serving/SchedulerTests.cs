using FsCheck.Xunit;
using Portable.Execution;
using Portable.Inference;
using Portable.Serving;
using Portable.Tests.Support;

namespace Portable.Tests.Serving;

/// <summary>Whatever joins, leaves, waits, is cut, is reused or is cancelled: every answer is the one that it would be alone.</summary>
public sealed class SchedulerTests : IClassFixture<SchedulerTests.Models>
{
    private readonly Models _models;

    public SchedulerTests(Models models) => _models = models;

    [Property(MaxTest = 40, EndSize = 40)]
    public void AnswersInACrowdAreThoseAlone(Arrival[] arrivals, byte seats, byte pieceRows) => _models.Quantized.Run(arrivals, 1 + (seats % 32), 1 + (pieceRows % 70));

    [Property(MaxTest = 15, EndSize = 40)]
    public void AnswersThroughTooFewSeatsAreThoseAlone(Arrival[] arrivals, byte seats) => _models.Digits.Run(arrivals, 1 + (seats % 3), 32);

    [Property(MaxTest = 25, EndSize = 40)]
    public void AnswersThroughTooFewPagesAreThoseAlone(Arrival[] arrivals, byte seats, byte pages) => _models.Quantized.Run(arrivals, 2 + (seats % 20), 24, 3 + (pages % 12));

    [Fact]
    public void TextsThatAreInterruptedAndComputedAnewAreThoseAlone() => Assert.InRange(_models.Quantized.Run(Crowd(60, 9), 16, 40, 7), 5, long.MaxValue);

    [Fact]
    public void TwoHundredTextsAtOnceAreThoseAlone() => _models.Quantized.Run(Crowd(200, 5), 32, 24);

    [Fact]
    public void ASharedBeginningIsFedOnceForItsOwner()
    {
        using Transformer model = new(RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8KV8", 4), new CpuExecutor(), sequences: 4, pages: 12);
        SequenceCache cache = SequenceCache.Of(model);
        Scheduler scheduler = new(model, cache, new PassGate());
        int[] begin = [.. Enumerable.Range(0, 100).Select(i => i * 7 % 97)];
        Answer Ask(string owner, params int[] rest) => scheduler.Submit(new TextRequest { Prompt = [.. begin, .. rest], MaximumTokens = 4, IgnoreEnd = true, Owner = owner }, null, default);
        Answer first = Ask("a", 1, 2, 3);
        Finish(scheduler);
        Answer again = Ask("a", 1, 2, 3), branch = Ask("a", 9), other = Ask("b", 1, 2, 3);
        Finish(scheduler);
        Assert.Equal((0, 102, 0), (first.Reused, again.Reused, other.Reused));
        Assert.Equal(100, branch.Reused);
        Answer fourth = Ask("a", 1, 2, 3, 4);
        Finish(scheduler);
        Assert.InRange(fourth.Reused, 100, 103);
        Assert.Equal(4, cache.Free);
    }

    [Fact]
    public void OwnersTakeTurns()
    {
        using Transformer model = new(RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8KV8", 4), new CpuExecutor());
        Scheduler scheduler = new(model, SequenceCache.Of(model), new PassGate());
        List<string> order = [];
        List<Answer> answers = [];
        foreach (string owner in (string[])["a", "a", "a", "b", "c", "b"])
        {
            answers.Add(scheduler.Submit(new TextRequest { Prompt = [1, 2], MaximumTokens = 1, Owner = owner }, null, default));
        }

        while (scheduler.Step())
        {
            order.AddRange(answers.FindAll(a => a.Made > 0).Select(a => a.Request.Owner));
            answers.RemoveAll(a => a.Made > 0);
        }

        Assert.Equal("a b c a b a", string.Join(' ', order));
    }

    [Fact]
    public void PromptsThatCannotBeAreRefused()
    {
        using Transformer model = new(RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8KV8", 4), new CpuExecutor());
        Scheduler scheduler = new(model, SequenceCache.Of(model), new PassGate());
        Assert.Throws<ArgumentException>(() => scheduler.Submit(new TextRequest { Prompt = [] }, null, default));
        Assert.Throws<PromptLengthException>(() => scheduler.Submit(new TextRequest { Prompt = new int[160] }, null, default));
        Assert.Throws<ArgumentException>(() => scheduler.Submit(new TextRequest { Prompt = [97] }, null, default));
        Assert.False(scheduler.Step());
    }

    internal static Arrival[] Crowd(int count, int seed)
    {
        byte[] bytes = new byte[6 * count];
        new Random(seed).NextBytes(bytes);
        return [.. bytes.Chunk(6).Select(b => new Arrival((byte)(b[0] % 3), b[1], b[2], b[3], b[4], b[5]))];
    }

    private static void Finish(Scheduler scheduler)
    {
        while (scheduler.Step())
        {
        }
    }

    public sealed class Models : IDisposable
    {
        internal Schedules Quantized { get; } = new(() => new CpuExecutor());

        internal Schedules Digits { get; } = new(() => new CpuExecutor(), "W4A8", 3);

        public void Dispose()
        {
            Quantized.Dispose();
            Digits.Dispose();
        }
    }
}
