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
/// <remarks><see cref="Submit"/> and the counts are safe from any thread; <see cref="Step"/> is called by one thread at a time.</remarks>
internal sealed class Scheduler
{
    private readonly Transformer _model;
    private readonly CacheSlots _slots;
    private readonly Lock _passes;
    private readonly ConcurrentQueue<Answer> _arrivals = new();
    private readonly FairQueue _queue = new();
    private readonly List<Answer> _active = [];
    private readonly Predicate<Answer> _cancelled = answer => answer.Cancellation.IsCancellationRequested;
    private int _waiting, _running;

    /// <param name="model">The model.</param>
    /// <param name="slots">Its cache slots, which others may take too.</param>
    /// <param name="passes">Held while the model runs.</param>
    public Scheduler(Transformer model, CacheSlots slots, Lock passes) => (_model, _slots, _passes, PieceRows) = (model, slots, passes, Math.Max(model.MaximumRows / 4, 64));

    /// <summary>Texts that wait for a slot.</summary>
    public int Waiting => Volatile.Read(ref _waiting);

    /// <summary>Texts that have one.</summary>
    public int Running => Volatile.Read(ref _running);

    /// <summary>Prompt tokens fed, and those that a cache held already, since the start.</summary>
    public (long Fed, long Reused) PromptTokens { get; private set; }

    /// <summary>Tokens made since the start.</summary>
    public long MadeTokens { get; private set; }

    /// <summary>Rows of prompts in a pass while other texts wait for their next token.</summary>
    public int PieceRows { get; init; }

    /// <summary>Puts a text in the queue.</summary>
    /// <param name="request">What is asked.</param>
    /// <param name="tokenizer">Makes text of tokens; null = tokens alone are wanted.</param>
    /// <param name="cancellation">Ends it between tokens.</param>
    /// <exception cref="ArgumentException">The prompt is empty or fills the context, names an id outside the vocabulary, or an option is out of range.</exception>
    public Answer Submit(TextRequest request, ITokenizer? tokenizer, CancellationToken cancellation)
    {
        if (request.Prompt.Length == 0)
        {
            throw new ArgumentException("The prompt has no token.");
        }

        if (request.Prompt.Length >= _model.Context)
        {
            throw new ArgumentException($"The prompt has {request.Prompt.Length} tokens; the model's context is {_model.Context}.");
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
    /// <returns>Whether anything was done; else the queue is empty or waits for slots that others have.</returns>
    public bool Step()
    {
        lock (_passes)
        {
            bool done = Join();
            done |= Leave();
            done |= Pass(Prompts());
            Leave();
            done |= Pass(_active.FindAll(a => !a.InPrompt).ConvertAll(a => (a, 1)));
            Leave();
            return done;
        }
    }

    /// <summary>Ends all texts without an answer.</summary>
    public void Abandon(Exception reason)
    {
        lock (_passes)
        {
            Arrive();
            foreach (Answer answer in _queue.RemoveAll(_ => true))
            {
                Interlocked.Decrement(ref _waiting);
                answer.Fail(reason);
            }

            _active.ForEach(a => a.Fail(reason));
            Leave();
        }
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
        foreach (Answer answer in _queue.RemoveAll(_cancelled))
        {
            Interlocked.Decrement(ref _waiting);
            answer.Cancel();
            done = true;
        }

        while (_queue.Count > 0 && _queue.TakeFirst(TrySeat) is { } seated)
        {
            Interlocked.Decrement(ref _waiting);
            Interlocked.Increment(ref _running);
            _active.Add(seated);
            done = true;
        }

        return done;
    }

    private bool TrySeat(Answer answer)
    {
        ReadOnlySpan<int> prompt = answer.Request.Prompt;
        if (WaitsForPrefix(answer) || _slots.TryTake(prompt, answer.Request.Owner, copies: !_model.Forgets) is not { } slot)
        {
            return false;
        }

        answer.Slot = slot;
        List<int> held = slot.Held;
        // The last token is always fed: its logits are wanted.
        int common = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(held).CommonPrefixLength(prompt);
        if (slot.CopyLength > common && !answer.Request.PromptLikelihoods)
        {
            held.Clear();
            try
            {
                _model.CopyStart(slot.CopySource, slot.First, slot.CopyLength);
            }
            catch (Exception e)
            {
                answer.Fail(e);
                return true;
            }

            held.AddRange(prompt[..slot.CopyLength]);
            common = slot.CopyLength;
        }

        common = Math.Min(common, prompt.Length - 1);
        answer.Position = answer.Request.PromptLikelihoods || (_model.Forgets && common < held.Count) ? 0 : common;
        answer.Reused = answer.Position;
        PromptTokens = (PromptTokens.Fed, PromptTokens.Reused + answer.Reused);
        return true;
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
                && other.Request.Prompt.AsSpan().CommonPrefixLength(answer.Request.Prompt) - other.Position >= PieceRows)
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
                answer.Slot?.Dispose();
                answer.Slot = null;
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
        room = prompts.Exists(a => a.Request.PromptLikelihoods) ? Math.Min(room, _model.MaximumLogitRows) : room;
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
            List<int> held = answer.Slot!.Held;
            held.RemoveRange(answer.Position, held.Count - answer.Position);
            for (int i = 0; i < count; i++, row++)
            {
                tokens[row] = answer.InPrompt ? answer.Request.Prompt[answer.Position + i] : answer.Pending;
                (sequences[row], positions[row]) = (answer.Slot.First, answer.Position + i);
                if (answer.Request.PromptLikelihoods && answer.InPrompt || answer.Position + i + 1 >= answer.Request.Prompt.Length)
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
            bool prompt = answer.InPrompt, ends = answer.Position + rows >= answer.Request.Prompt.Length;
            logit += prompt && answer.Request.PromptLikelihoods ? rows : ends ? 1 : 0;
            fed += prompt ? rows : 0;
            made += ends ? 1 : 0;
            answer.Slot!.Held.AddRange(tokens.AsSpan(row, rows));
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
                int length = answer.Request.Prompt.Length;
                bool foretells = answer.InPrompt && answer.Request.PromptLikelihoods;
                for (int i = 0; i < rows; i++)
                {
                    answer.Position++;
                    if (foretells && answer.Position < length)
                    {
                        answer.Foretold(new ReadOnlySpan<float>(next, vocabulary), answer.Position);
                        next += vocabulary;
                    }
                }

                if (answer.Position >= length)
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
