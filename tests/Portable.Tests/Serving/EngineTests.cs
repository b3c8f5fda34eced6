using Portable.Serving;
using Portable.Tests.Support;

namespace Portable.Tests.Serving;

/// <summary>The engine beside the door: who waits is served in turn, who leaves is let go, and nothing stays behind.</summary>
public sealed class EngineTests
{
    // The context ends it after 253 tokens: the passes that a test lets through are fewer.
    private static readonly GenerationOptions Endless = new() { MaximumTokens = 100_000, IgnoreEnd = true }, Few = new() { MaximumTokens = 3, IgnoreEnd = true };

    // For tests that would hang where they should fail.
    private static readonly TimeSpan Patience = TimeSpan.FromMinutes(2);

    [Fact]
    public async Task WhoeverWaitsIsToldAtOnceThatTheWaitIsOver()
    {
        using LanguageModel model = Open();
        using SemaphoreSlim blocks = Held(model);
        using CancellationTokenSource first = new(), second = new();
        Answer running = model.Serve([1, 5, 9], Endless, cancellation: first.Token);
        blocks.Release(model.Model.Config.Layers);
        await running.Pieces.WaitToReadAsync();
        Answer waiting = model.Serve([1, 7], Endless, cancellation: second.Token), next = model.Serve([1, 8], Few);
        await second.CancelAsync();
        blocks.Release(10 * model.Model.Config.Layers);
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => waiting.Pieces.Completion);
        Assert.False(running.Pieces.Completion.IsCompleted);
        await first.CancelAsync();
        blocks.Release(10 * model.Model.Config.Layers);
        Assert.Equal(3, await Count(next));
    }

    [Fact]
    public async Task TextsOfTheDoorAndOfTheEngineShareTheSlots()
    {
        using LanguageModel model = Open();
        int[] alone = [.. model.Generate([1, 5, 9], Few)];
        Answer waiting;
        using (IEnumerator<int> text = model.Generate([1, 5, 9], Few).GetEnumerator())
        {
            Assert.True(text.MoveNext());
            waiting = model.Serve([1, 5, 9], Few);
            // Time in which a wrong engine would take the text; a right one leaves it where it is.
            await Task.Delay(50);
            Assert.Equal((0, 1), (model.Engine.Scheduler.Running, model.Engine.Scheduler.Waiting));
        }

        List<int> made = [];
        await foreach (AnswerPiece piece in waiting.Pieces.ReadAllAsync())
        {
            made.Add(piece.Id);
        }

        Assert.Equal(alone, made.Where(id => id >= 0));
    }

    [Fact]
    public async Task ClosingTheModelEndsWhatIsUnderWay()
    {
        Answer running, waiting;
        using (LanguageModel model = Open())
        {
            using SemaphoreSlim blocks = Held(model);
            running = model.Serve([1, 5, 9], Endless);
            waiting = model.Serve([1, 5, 9], Endless);
            blocks.Release(model.Model.Config.Layers);
            await running.Pieces.WaitToReadAsync();
            model.Model.BlockDone = null;
            blocks.Release(model.Model.Config.Layers);
            model.Dispose();
        }

        // Nobody's token was cancelled.
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Count(running));
        await Assert.ThrowsAsync<ObjectDisposedException>(() => Count(waiting));
    }

    /// <summary>A long run (<c>PORTABLE_FUZZ_CASES</c>) asks ten thousand times.</summary>
    [Fact]
    public async Task OneTextAfterTheOtherLeavesNothingBehind()
    {
        int count = Environment.GetEnvironmentVariable("PORTABLE_FUZZ_CASES") is null ? 100 : 10_000;
        using LanguageModel model = Open(sequences: 3);
        List<WeakReference> answers = [];
        for (int i = 0; i < count; i++)
        {
            using CancellationTokenSource leaving = new();
            Answer answer = model.Serve([1, 2 + (i % 90), 5, 9], Few, r => r with { Owner = $"{i % 2}", Likeliest = 2 }, leaving.Token);
            if (i % 5 == 0)
            {
                await leaving.CancelAsync();
            }

            await Task.WhenAny(answer.Pieces.ReadAllAsync().LastOrDefaultAsync().AsTask());
            answers.Add(new WeakReference(answer));
        }

        // An answer ends before its place is free.
        Assert.True(SpinWait.SpinUntil(() => model.Engine.Scheduler.Running + model.Engine.Scheduler.Waiting == 0, Patience));
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        Assert.InRange(answers.Count(a => a.IsAlive), 0, 5);
        Assert.InRange(model.CachedPositions.Held, 0, model.CachedPositions.Room);
    }

    private static LanguageModel Open(int sequences = 1) => LanguageModel.Open(DemoModel.Directory, Device.Cpu, new LanguageModelOptions { Context = 256, Sequences = sequences });

    // Each block of a pass waits until the test lets it through, so that no text ends sooner than the test wants.
    private static SemaphoreSlim Held(LanguageModel model)
    {
        SemaphoreSlim blocks = new(0);
        model.Model.BlockDone = _ => blocks.Wait(Patience);
        return blocks;
    }

    private static async Task<int> Count(Answer answer)
    {
        int count = 0;
        await foreach (AnswerPiece piece in answer.Pieces.ReadAllAsync())
        {
            count += piece.Id >= 0 ? 1 : 0;
        }

        return count;
    }
}
