using Portable.Inference;
using Portable.Tests.Support;

namespace Portable.Tests.Door;

/// <summary>What happens when a model is disposed of while it is used.</summary>
public sealed class ClosedModelTests
{
    private static readonly GenerationOptions Many = new() { MaximumTokens = 200, IgnoreEnd = true };

    [Fact]
    public void ATextUnderWayEndsAtItsNextStep()
    {
        using LanguageModel model = Open(sequences: 2);
        using IEnumerator<int> ids = model.Generate([1, 2, 3], Many).GetEnumerator();
        using IEnumerator<string> text = model.Generate("The old lighthouse", Many).GetEnumerator();
        Assert.True(ids.MoveNext() && text.MoveNext());
        model.Dispose();
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => ids.MoveNext());
        Assert.Throws<ObjectDisposedException>(() => text.MoveNext());
    }

    [Fact]
    public async Task AnAsynchronousTextEndsToo()
    {
        using LanguageModel model = Open();
        int pieces = 0;
        await Assert.ThrowsAsync<ObjectDisposedException>(async () =>
        {
            await foreach (string piece in model.GenerateAsync("The old lighthouse", Many))
            {
                pieces++;
                model.Dispose();
            }
        });
        Assert.Equal(1, pieces);
    }

    /// <summary>Progress comes from within a step: the step goes on over memory that is there, and is the last.</summary>
    [Fact]
    public void AMeasurementThatClosesItsModelEnds()
    {
        LanguageModel model = Open();
        int told = 0;
        Assert.Throws<ObjectDisposedException>(() => model.Perplexity(File.ReadAllText(DemoModel.Text), 64, 0, new Telling(() =>
        {
            told++;
            model.Dispose();
        })));
        Assert.InRange(told, 1, model.Model.Config.Layers + 1);
    }

    [Fact]
    public async Task AMeasurementOnAnotherThreadEnds()
    {
        LanguageModel model = Open();
        using ManualResetEventSlim begun = new();
        Task measured = Task.Run(() => model.Perplexity(string.Concat(Enumerable.Repeat(File.ReadAllText(DemoModel.Text), 20)), 64, 0, new Telling(begun.Set)));
        begun.Wait();
        model.Dispose();
        await Assert.ThrowsAsync<ObjectDisposedException>(() => measured);
    }

    [Fact]
    public async Task AStepThatRunsIsWaitedFor()
    {
        LanguageModel model = Open();
        Task? closing = null;
        float read = 0;
        model.Logits([1, 2, 3], (_, logits) =>
        {
            closing = Task.Run(model.Dispose);
            SpinWait.SpinUntil(() => Closed(model));
            Assert.False(closing.Wait(50));
            read = logits[^1];
        });
        await closing!;
        Assert.NotEqual(0, read);
    }

    [Fact]
    public void AStepThatClosesItsModelIsItsLast()
    {
        LanguageModel model = Open();
        int chunks = 0;
        Assert.Throws<ObjectDisposedException>(() => model.Logits(
            [1, 2, 3],
            (_, logits) =>
            {
                chunks++;
                model.Dispose();
                Assert.True(float.IsFinite(logits[0]));
            },
            chunk: 1));
        Assert.Equal(1, chunks);
    }

    [Fact]
    public void MethodsThrowAfterwardsAndPropertiesStay()
    {
        LanguageModel model = Open();
        IEnumerable<int> late = model.Generate([1, 2], Many);
        model.Dispose();
        Assert.Throws<ObjectDisposedException>(() => late.First());
        Assert.Throws<ObjectDisposedException>(() => model.Generate("a"));
        Assert.Throws<ObjectDisposedException>(() => model.Generate([1]));
        Assert.Throws<ObjectDisposedException>(() => model.Chat([new("user", "a")]));
        Assert.Throws<ObjectDisposedException>(() => model.EncodeChat([new("user", "a")]));
        Assert.Throws<ObjectDisposedException>(() => model.Encode("a"));
        Assert.Throws<ObjectDisposedException>(() => model.Logits([1]));
        Assert.Throws<ObjectDisposedException>(() => model.Perplexity("a"));
        Assert.Throws<ObjectDisposedException>(() => { model.Serve([1, 2], Many); });
        Assert.Throws<ObjectDisposedException>(() => model.Engine);
        Assert.Equal((256, "cpu", 2048), (model.Context, model.DeviceName, model.VocabularySize));
    }

    /// <summary>Nothing runs behind the gate, and it is freed once, whoever closes it.</summary>
    [Fact]
    public void AGateFreesOnceAndAfterTheLastPass()
    {
        PassGate gate = new();
        int running = 0, freed = 0;
        Parallel.For(0, 64, new ParallelOptions { MaxDegreeOfParallelism = 8 }, i =>
        {
            try
            {
                using PassGate.Pass pass = gate.Enter();
                using PassGate.Pass inner = gate.Enter();
                Assert.Equal(1, Interlocked.Increment(ref running));
                Assert.Equal(0, Volatile.Read(ref freed));
                if (i % 16 == 7)
                {
                    gate.Close(() => Assert.Equal((0, 1), (Volatile.Read(ref running), Interlocked.Increment(ref freed))));
                    Assert.Equal(0, Volatile.Read(ref freed));
                }

                Interlocked.Decrement(ref running);
            }
            catch (ObjectDisposedException)
            {
                Assert.True(gate.IsClosed);
            }
        });
        Assert.Equal(1, freed);
    }

    private static bool Closed(LanguageModel model)
    {
        try
        {
            model.Encode("a");
            return false;
        }
        catch (ObjectDisposedException)
        {
            return true;
        }
    }

    private static LanguageModel Open(int sequences = 1) => LanguageModel.Open(DemoModel.Directory, Device.Cpu, new LanguageModelOptions { Context = 256, Sequences = sequences });

    private sealed class Telling(Action tell) : IProgress<double>
    {
        public void Report(double value) => tell();
    }
}
