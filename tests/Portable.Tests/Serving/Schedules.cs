using Portable.Execution;
using Portable.Generation;
using Portable.Inference;
using Portable.Serving;
using Portable.Tests.Support;

namespace Portable.Tests.Serving;

/// <summary>One text of a random schedule, by small numbers that shrink.</summary>
/// <param name="At">Steps after the one before.</param>
/// <param name="Length">Length of the prompt.</param>
/// <param name="Shared">How much of it begins as others do.</param>
/// <param name="Seed">The rest of the prompt, and the draws.</param>
/// <param name="Options">How tokens are chosen, and what is asked beside.</param>
/// <param name="Cancel">Steps after which it is cancelled; 0 = never.</param>
public readonly record struct Arrival(byte At, byte Length, byte Shared, byte Seed, byte Options, byte Cancel);

/// <summary>Schedules of texts on one model: each answer against the one computed alone.</summary>
internal sealed class Schedules : IDisposable
{
    private const int Context = 160, Vocabulary = 97, PagesOfText = 3;
    private readonly Transformer _together, _alone;

    /// <param name="executor">Makes the device of the model that serves; the CPU computes the answers alone.</param>
    public Schedules(Func<Executor> executor, string scheme = "W4A8KV8", int sequences = 32)
    {
        RandomModel source = RandomModel.RoundToNearest(RandomModel.Llama(), scheme, 4);
        (_together, _alone) = (new Transformer(source, executor(), sequences, pages: sequences * PagesOfText), new Transformer(source, new CpuExecutor()));
    }

    public void Dispose()
    {
        _together.Dispose();
        _alone.Dispose();
    }

    /// <summary>Runs a schedule.</summary>
    /// <param name="arrivals">The texts.</param>
    /// <param name="seats">Slots: how many are in flight at most.</param>
    /// <param name="pieceRows">Rows of a prompt that are fed at a time while others stream.</param>
    /// <param name="pages">Pages of the cache, at least those of one text; 0 = of as many as there are seats.</param>
    /// <returns>How often a text was interrupted for want of pages.</returns>
    public long Run(IReadOnlyList<Arrival> arrivals, int seats, int pieceRows, int pages = 0)
    {
        seats = Math.Clamp(seats, 1, _together.Sequences);
        PageCache cache = new(_together.Pages!, Context, _together.CopyPage, seats, pages == 0 ? seats * PagesOfText : Math.Clamp(pages, PagesOfText, seats * PagesOfText));
        Scheduler scheduler = new(_together, cache, new PassGate()) { PieceRows = pieceRows };
        List<(Answer Answer, CancellationTokenSource Source, int Cancel)> running = [];
        int step = 0;
        foreach (Arrival arrival in arrivals)
        {
            for (int i = arrival.At % 12; i > 0; i--)
            {
                Step();
            }

            CancellationTokenSource source = new();
            Answer answer = scheduler.Submit(Request(arrival), null, source.Token);
            running.Add((answer, source, arrival.Cancel is 0 or > 100 ? int.MaxValue : step + (arrival.Cancel / 2)));
        }

        for (int idle = 0; idle < 2;)
        {
            idle = Step() ? 0 : idle + 1;
            Assert.True(step < 20_000, "the schedule never ends");
        }

        Assert.Equal((0, 0, seats), (scheduler.Running, scheduler.Waiting, cache.Free));
        Assert.Equal(cache.Positions / 64, cache.FreePages.Empty + cache.FreePages.Unused);
        foreach ((Answer answer, CancellationTokenSource source, _) in running)
        {
            Compare(answer, source.IsCancellationRequested);
            source.Dispose();
        }

        return scheduler.Interruptions;

        bool Step()
        {
            bool done = scheduler.Step();
            step++;
            foreach ((_, CancellationTokenSource source, int cancel) in running)
            {
                if (step >= cancel)
                {
                    source.Cancel();
                }
            }

            return done;
        }
    }

    private static TextRequest Request(Arrival arrival)
    {
        int length = 1 + (arrival.Length % (Context - 1)), shared = Math.Min(length, arrival.Shared % 128);
        Random common = new(arrival.Options % 2), own = new(arrival.Seed);
        int[] prompt = [.. Enumerable.Range(0, length).Select(i => i < shared ? common.Next(Vocabulary) : own.Next(Vocabulary))];
        int kind = arrival.Options / 2;
        return new TextRequest
        {
            Prompt = prompt,
            Choice = kind % 3,
            MaximumTokens = 1 + (kind * 7 % 40),
            IgnoreEnd = kind % 4 == 1,
            Ends = kind % 4 == 2 ? [3, 17, 44] : [],
            Owner = kind % 5 == 0 ? "other" : string.Empty,
            Likeliest = kind % 6 == 3 ? kind % 4 : null,
            PromptLikelihoods = kind % 6 == 3 && kind % 2 == 1,
            Sampling = (kind % 7) switch
            {
                0 or 1 => new SamplingOptions(),
                2 => new SamplingOptions { Temperature = 1.3, Seed = arrival.Seed },
                3 => new SamplingOptions { Temperature = 0.8, TopK = 9, Seed = 7 },
                4 => new SamplingOptions { Temperature = 1, TopP = 0.9, MinP = 0.01, RepetitionPenalty = 1.2, Seed = arrival.Seed },
                5 => new SamplingOptions { PresencePenalty = 0.7, FrequencyPenalty = 0.4 },
                _ => new SamplingOptions { Temperature = 0.6, LogitBias = new Dictionary<int, double> { [5] = 4, [9] = -20 } },
            },
        };
    }

    private void Compare(Answer answer, bool cancelled)
    {
        TextRequest request = answer.Request;
        List<AnswerPiece> pieces = [];
        while (answer.Pieces.TryRead(out AnswerPiece piece))
        {
            pieces.Add(piece);
        }

        int[] made = [.. pieces.Select(p => p.Id)];
        int[] alone = [.. new Generator(_alone, new Sampler(request.Sampling, request.Choice)).Generate(request.Prompt, request.MaximumTokens, request.IgnoreEnd, ends: [.. request.Ends])];
        Assert.True(answer.Pieces.Completion.IsCompleted);
        if (answer.End is null)
        {
            Assert.True(cancelled && answer.Pieces.Completion.IsCanceled, $"{answer.Pieces.Completion.Exception}");
            Assert.Equal(alone[..made.Length], made);
            return;
        }

        Assert.Equal(alone, made);
        AnswerEnd end = alone.Length == request.MaximumTokens || request.Prompt.Length + alone.Length > Context ? AnswerEnd.Length : AnswerEnd.Stop;
        Assert.Equal(end, answer.End);
        Assert.InRange(answer.Reused, 0, request.Prompt.Length - 1);
        if (request.Likeliest is { } count)
        {
            int[] all = [.. request.Prompt, .. made];
            // The last token is not fed: the context may be full.
            float[] logits = _alone.Forward(Batch.Consecutive(all.AsSpan(..^1), 0, allLogits: true)).ToArray();
            TokenLikelihood Of(int position) => TokenLikelihood.Of(logits.AsSpan((position - 1) * Vocabulary, Vocabulary), all[position], count);
            Assert.All(pieces.Select((p, i) => (p, i)), p => Same(Of(request.Prompt.Length + p.i), p.p.Likelihood!));
            Assert.Equal(request.PromptLikelihoods ? request.Prompt.Length - 1 : 0, answer.PromptLikelihoods.Count);
            Assert.All(answer.PromptLikelihoods.Select((p, i) => (p, i)), p => Same(Of(p.i + 1), p.p));
        }
    }

    private static void Same(TokenLikelihood expected, TokenLikelihood actual)
    {
        Assert.Equal((expected.Id, expected.LogProbability), (actual.Id, actual.LogProbability));
        Assert.Equal(expected.Likeliest, actual.Likeliest);
    }
}
