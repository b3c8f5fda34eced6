using System.Collections.Concurrent;
using Portable.Execution;
using Portable.Inference;
using Portable.Reference.Threading;
using Portable.Tokenizers;

namespace Portable.Serving;

/// <summary>
/// Continuous batching: texts join and leave between steps. A step is a pass over pieces of prompts and a pass with one new token
/// of every text past its prompt. A quantized model's bits do not depend on the batch, on how a prompt is cut, or on where a prefix
/// was computed, so every answer is the one that it would be alone with the same context.
/// </summary>
/// <remarks>
/// A text is let in when the cache has room for its prompt. One that finds no room to go on interrupts the text that came last, which
/// is fed again what it had when there is room, before any other is let in: the text that came first always goes on, and the cache holds
/// one whole text at least, so that all come to their end.
/// <see cref="Submit"/> and the counts are safe from any thread; <see cref="Step"/> is called by one thread at a time.
/// </remarks>
internal sealed class Scheduler
{
    private readonly Transformer _model;
    private readonly SequenceCache _cache;
    private readonly PassGate _passes;
    private readonly ConcurrentQueue<Answer> _arrivals = new();
    private readonly FairQueue _queue = new();
    private readonly List<Answer> _active = [], _interrupted = [];
    private readonly Predicate<Answer> _cancelled = answer => answer.Cancellation.IsCancellationRequested;
    private int _waiting, _running;

    /// <param name="model">The model.</param>
    /// <param name="cache">Its cache, which others may use too.</param>
    /// <param name="passes">Lets one pass run at a time, of others too.</param>
    public Scheduler(Transformer model, SequenceCache cache, PassGate passes) => (_model, _cache, _passes, PieceRows) = (model, cache, passes, Math.Max(model.MaximumRows / 4, 64));

    /// <summary>Texts that wait for room.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Texts that have a sequence.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <summary>Prompt tokens fed, and those that a cache held already, since the start.</summary>
    public (long Fed, long Reused) PromptTokens { get; private set; }

    /// <summary>Times that a text was interrupted for want of room since the start.</summary>
    public long Interruptions { get; private set; }

    /// <summary>Tokens made since the start.</summary>
    public long MadeTokens { get; private set; }

    /// <summary>Rows of prompts in a pass while other texts wait for their next token.</summary>
    public int PieceRows { get; init; }

    /// <summary>Puts a text in the queue.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="tokenizer">Makes text of tokens; null = tokens alone are wanted.</param>
    /// <param name="cancellation">Ends it between tokens.</param>
    /// <exception cref="PromptLengthException">The prompt fills the context.</exception>
    /// <exception cref="ArgumentException">The prompt is empty, names an id outside the vocabulary, or an option is out of range.</exception>
    public Answer Submit(TextRequest request, ITokenizer? tokenizer, CancellationToken cancellation)
    {
        if (request.Prompt.Length == 0)
        {
            throw new ArgumentException("The prompt has no token.");
        }

        if (request.Prompt.Length >= _model.Context)
        {
            throw new PromptLengthException($"The prompt has {request.Prompt.Length} tokens; the model's context is {_model.Context}.");
        }

        foreach (int id in request.Prompt)
        {
            if ((uint)id >= (uint)_model.Config.VocabularySize)
            {
                throw new ArgumentException($"Token id {id} is outside the vocabulary 0…{_model.Config.VocabularySize - 1}.");
            }
        }

        Answer answer = new(request, tokenizer, cancellation);
        Interlocked.Increment(ref _waiting);
        _arrivals.Enqueue(answer);
        return answer;
    }

    /// <summary>Runs one step.</summary>
    /// <returns>Whether anything was done; else the queue is empty or waits for room that others have.</returns>
    /// <exception cref="ObjectDisposedException">The model was closed.</exception>
    public bool Step()
    {
        using PassGate.Pass pass = _passes.Enter();
        bool done = Join();
        done |= Leave();
        done |= Pass(Roomy(Prompts()));
        Leave();
        done |= Pass(Roomy(_active.FindAll(a => !a.InPrompt).ConvertAll(a => (a, 1))));
        Leave();
        return done;
    }

    /// <summary>Ends all texts without an answer, whether the model is closed or not; on the thread that calls <see cref="Step"/>.</summary>
    public void Abandon(Exception reason)
    {
        Arrive();
        foreach (Answer answer in TakeOut(_ => true))
        {
            answer.Fail(reason);
        }

        _active.ForEach(a => a.Fail(reason));
        Leave();
    }

    private void Arrive()
    {
        while (_arrivals.TryDequeue(out Answer? answer))
        {
            _queue.Add(answer);
        }
    }

    private bool Join()
    {
        Arrive();
        bool done = false;
        foreach (Answer answer in TakeOut(_cancelled))
        {
            answer.Cancel();
            done = true;
        }

        while (_interrupted.Count > 0 && TrySeat(_interrupted[0]))
        {
            Join(_interrupted[0]);
            _interrupted.RemoveAt(0);
            done = true;
        }

        while (_interrupted.Count == 0 && _queue.Count > 0 && _queue.TakeFirst(TrySeat) is { } seated)
        {
            Join(seated);
            done = true;
        }

        return done;
    }

    private void Join(Answer seated)
    {
        Interlocked.Decrement(ref _waiting);
        Interlocked.Increment(ref _running);
        _active.Add(seated);
    }

    // Of those that wait.
    private List<Answer> TakeOut(Predicate<Answer> go)
    {
        List<Answer> gone = [.. _interrupted.FindAll(go), .. _queue.RemoveAll(go)];
        _interrupted.RemoveAll(go);
        Interlocked.Add(ref _waiting, -gone.Count);
        return gone;
    }

    private bool TrySeat(Answer answer)
    {
        if (WaitsForPrefix(answer))
        {
            return false;
        }

        try
        {
            // The last token of a prompt is always fed: its logits are wanted.
            int most = answer.Again ? answer.Beginning.Length : answer.Request.PromptLikelihoods ? 0 : answer.Beginning.Length - 1;
            if (_cache.TryTake(answer.Beginning, most, answer.Request.Owner) is not { } taken)
            {
                return false;
            }

            (answer.Taken, answer.Position) = (taken, taken.Held);
        }
        catch (Exception e)
        {
            answer.Fail(e);
            return true;
        }

        if (!answer.Again)
        {
            answer.Reused = answer.Position;
            PromptTokens = (PromptTokens.Fed, PromptTokens.Reused + answer.Reused);
        }

        return true;
    }

    /// <summary>Those pieces for which there is room, by interrupting the texts that came last where there is none.</summary>
    private List<(Answer, int)> Roomy(List<(Answer Answer, int Rows)> pieces)
    {
        foreach ((Answer answer, int rows) in pieces.OrderBy(p => _active.IndexOf(p.Answer)))
        {
            // Interrupted for one before it, it has no sequence.
            while (answer.Taken is { } taken && !taken.TryReach(answer.Position + rows))
            {
                Answer last = _active[^1];
                _active.RemoveAt(_active.Count - 1);
                last.Interrupt();
                // The one that came first is let in first.
                _interrupted.Insert(0, last);
                Interlocked.Decrement(ref _running);
                Interlocked.Increment(ref _waiting);
                Interruptions++;
            }
        }

        pieces.RemoveAll(p => p.Answer.Taken is null);
        return pieces;
    }

    // A prompt of the same owner that begins alike and is being computed right now is worth waiting for.
    private bool WaitsForPrefix(Answer answer)
    {
        if (_model.Forgets || answer.Request.PromptLikelihoods)
        {
            return false;
        }

        foreach (Answer other in _active)
        {
            if (other.InPrompt && other.Request.Owner == answer.Request.Owner
                && other.Beginning.AsSpan().CommonPrefixLength(answer.Beginning) - other.Position >= PieceRows)
            {
                return true;
            }
        }

        return false;
    }

    private bool Leave()
    {
        foreach (Answer answer in _active)
        {
            if (!answer.Over && answer.Cancellation.IsCancellationRequested)
            {
                answer.Cancel();
            }

            if (answer.Over)
            {
                answer.Taken?.Dispose();
                answer.Taken = null;
                Interlocked.Decrement(ref _running);
            }
        }

        return _active.RemoveAll(a => a.Over) > 0;
    }

    /// <summary>Which prompts the next pass feeds, and how many tokens of each: half for the one that has been there longest, the rest for those that are done first.</summary>
    private List<(Answer, int)> Prompts()
    {
        List<Answer> prompts = _active.FindAll(a => a.InPrompt);
        List<(Answer, int)> pieces = [];
        if (prompts.Count == 0)
        {
            return pieces;
        }

        int room = prompts.Count == _active.Count ? _model.MaximumRows : PieceRows;
        room = prompts.Exists(a => a.Request.PromptLikelihoods && !a.Again) ? Math.Min(room, _model.MaximumLogitRows) : room;
        Answer first = prompts[0];
        int reserved = Math.Min(first.Remaining, prompts.Count == 1 ? room : room / 2);
        room -= reserved;
        prompts.RemoveAt(0);
        foreach (Answer answer in prompts.OrderBy(a => a.Remaining))
        {
            int rows = Math.Min(room, answer.Remaining);
            if (rows > 0)
            {
                pieces.Add((answer, rows));
                room -= rows;
            }
        }

        pieces.Insert(0, (first, reserved + Math.Min(room, first.Remaining - reserved)));
        return pieces;
    }

    private bool Pass(List<(Answer Answer, int Rows)> pieces)
    {
        if (pieces.Count == 0)
        {
            return false;
        }

        try
        {
            Run(pieces);
        }
        catch (Exception e)
        {
            // One text's fault is not the others': each by itself gives the same bits.
            if (pieces.Count == 1)
            {
                pieces[0].Answer.Fail(e);
            }
            else
            {
                pieces.ForEach(piece => Pass([piece]));
            }
        }

        return true;
    }

    private void Run(List<(Answer Answer, int Rows)> pieces)
    {
        int rows = pieces.Sum(p => p.Rows), row = 0;
        int[] tokens = new int[rows], sequences = new int[rows], positions = new int[rows];
        List<int> logitRows = [];
        foreach ((Answer answer, int count) in pieces)
        {
            for (int i = 0; i < count; i++, row++)
            {
                tokens[row] = answer.InPrompt ? answer.Beginning[answer.Position + i] : answer.Pending;
                (sequences[row], positions[row]) = (answer.Taken!.Index, answer.Position + i);
                if (!answer.InPrompt || (!answer.Again && (answer.Request.PromptLikelihoods || answer.Position + i + 1 == answer.Beginning.Length)))
                {
                    logitRows.Add(row);
                }
            }
        }

        ReadOnlySpan<float> logits = _model.Forward(new Batch(tokens, sequences, positions, [.. logitRows]));
        Choose(pieces, logits, tokens);
    }

    private unsafe void Choose(List<(Answer Answer, int Rows)> pieces, ReadOnlySpan<float> logits, int[] tokens)
    {
        int vocabulary = _model.Config.VocabularySize, logit = 0, row = 0;
        int[] firstLogit = new int[pieces.Count];
        long made = 0, fed = 0;
        for (int p = 0; p < pieces.Count; p++)
        {
            (Answer answer, int rows) = pieces[p];
            firstLogit[p] = logit;
            bool prompt = answer.InPrompt, chooses = !prompt || (!answer.Again && answer.Position + rows == answer.Beginning.Length);
            logit += prompt && answer.Request.PromptLikelihoods && !answer.Again ? rows : chooses ? 1 : 0;
            fed += prompt ? rows : 0;
            made += chooses ? 1 : 0;
            answer.Taken!.Add(tokens.AsSpan(row, rows));
            row += rows;
        }

        fixed (float* all = logits)
        {
            // A lambda takes no span.
            nint address = (nint)all;
            WorkerPool.Run(pieces.Count, p =>
            {
                (Answer answer, int rows) = pieces[p];
                float* next = (float*)address + ((long)firstLogit[p] * vocabulary);
                int length = answer.Beginning.Length;
                bool prompt = answer.InPrompt, foretells = prompt && answer.Request.PromptLikelihoods && !answer.Again;
                for (int i = 0; i < rows; i++)
                {
                    answer.Position++;
                    if (foretells && answer.Position < length)
                    {
                        answer.Foretold(new ReadOnlySpan<float>(next, vocabulary), answer.Position);
                        next += vocabulary;
                    }
                }

                if (!prompt || (!answer.Again && answer.Position == length))
                {
                    try
                    {
                        answer.Next(new ReadOnlySpan<float>(next, vocabulary), _model.Config.EndTokens, _model.Context);
                    }
                    catch (Exception e)
                    {
                        // A shape that no token goes on in, for one: it is this answer's own fault.
                        answer.Fail(e);
                    }
                }
            });
        }

        PromptTokens = (PromptTokens.Fed + fed, PromptTokens.Reused);
        MadeTokens += made;
    }
}
