using System.Diagnostics;
using System.Threading.Channels;
using Portable.Generation;
using Portable.Inference;
using Portable.Tokenizers;

namespace Portable.Serving;

/// <summary>Why an answer ended.</summary>
internal enum AnswerEnd
{
    /// <summary>An end token, or a stop text.</summary>
    Stop,

    /// <summary>As many tokens as asked for, or the context is full.</summary>
    Length,
}

/// <summary>A token of an answer and the text that is certain since it came.</summary>
/// <param name="Id">The token; −1 where only text that had been held back is left.</param>
/// <param name="Text">New text; nothing of a stop text.</param>
/// <param name="Likelihood">How likely it was, where that was asked for.</param>
internal readonly record struct AnswerPiece(int Id, string Text, TokenLikelihood? Likelihood);

/// <summary>One text under way: what was asked, what has been made, and the channel through which it reaches whoever asked.</summary>
/// <remarks>The scheduler's thread alone changes it; others read its pieces, and its counts once the pieces have ended.</remarks>
internal sealed class Answer
{
    private readonly Channel<AnswerPiece> _pieces = Channel.CreateUnbounded<AnswerPiece>(new UnboundedChannelOptions { SingleReader = true, SingleWriter = true });
    private readonly Sampler _sampler;
    private readonly StreamingDecoder? _decoder;
    private readonly StopTexts _stops;
    private readonly List<TokenLikelihood> _prompt = [];
    private readonly List<int> _fed = [];
    private float[]? _shaped;

    /// <param name="request">What is asked.</param>
    /// <param name="tokenizer">Makes text of tokens; null = tokens alone are wanted.</param>
    /// <param name="cancellation">Ends it between tokens.</param>
    public Answer(TextRequest request, ITokenizer? tokenizer, CancellationToken cancellation)
    {
        (Request, Cancellation, Beginning) = (request, cancellation, request.Prompt);
        _sampler = new Sampler(request.Sampling, request.Choice);
        _sampler.Observe(request.Prompt);
        _decoder = tokenizer is null ? null : new StreamingDecoder(tokenizer, request.KeepSpecial, request.Continues ? request.Prompt : []);
        _stops = new StopTexts(request.StopTexts);
    }

    public TextRequest Request { get; }

    public CancellationToken Cancellation { get; }

    /// <summary>The pieces as they come; ends with the answer, by an exception where it failed or was cancelled.</summary>
    public ChannelReader<AnswerPiece> Pieces => _pieces.Reader;

    /// <summary>Why it ended; null while it is under way, and where it failed.</summary>
    public AnswerEnd? End { get; private set; }

    /// <summary>When it was asked for, by <see cref="Stopwatch"/>.</summary>
    public long Asked { get; } = Stopwatch.GetTimestamp();

    /// <summary>How long it took until its first token.</summary>
    public TimeSpan? ToFirst { get; private set; }

    /// <summary>Tokens made.</summary>
    public int Made { get; private set; }

    /// <summary>Tokens of the prompt that a cache held already.</summary>
    public int Reused { get; set; }

    /// <summary>Likelihoods of the prompt's tokens from the second on, where asked for; whole when the first piece comes.</summary>
    public IReadOnlyList<TokenLikelihood> PromptLikelihoods => _prompt;

    /// <summary>The sequence, while it has one.</summary>
    internal TakenSequence? Taken { get; set; }

    /// <summary>Positions fed.</summary>
    internal int Position { get; set; }

    /// <summary>What is to be fed before the next token is chosen: the prompt, and what was fed behind it before the text was interrupted.</summary>
    internal int[] Beginning { get; private set; }

    /// <summary>Whether what is fed of the beginning has been fed before: its logits are known.</summary>
    internal bool Again => Made > 0;

    /// <summary>The last token made, not fed yet.</summary>
    internal int Pending { get; private set; }

    internal bool InPrompt => Position < Beginning.Length;

    internal int Remaining => Beginning.Length - Position;

    /// <summary>Whether its end is decided.</summary>
    internal bool Over { get; private set; }

    /// <summary>Takes the logits of positions of the prompt.</summary>
    /// <param name="logits">Of the position before <paramref name="position"/>.</param>
    /// <param name="position">Position of the token that they foretell.</param>
    internal void Foretold(ReadOnlySpan<float> logits, int position) =>
        _prompt.Add(TokenLikelihood.Of(logits, Request.Prompt[position], Request.Likeliest ?? 0));

    /// <summary>Takes the logits of the next token: chooses it, and ends the answer where it ends.</summary>
    /// <param name="logits">One per token of the vocabulary.</param>
    /// <param name="endTokens">The model's end tokens.</param>
    /// <param name="context">Positions of a text.</param>
    internal void Next(ReadOnlySpan<float> logits, IReadOnlyList<int> endTokens, int context)
    {
        if (Request.MaximumTokens == 0)
        {
            Finish(AnswerEnd.Length);
            return;
        }

        int token = Choose(logits, endTokens);
        if ((!Request.IgnoreEnd || Request.Shape is not null) && (endTokens.Contains(token) || Request.Ends.Contains(token)))
        {
            Finish(AnswerEnd.Stop);
            return;
        }

        if (Made++ > 0)
        {
            _fed.Add(Pending);
        }

        Pending = token;
        ToFirst ??= Stopwatch.GetElapsedTime(Asked);
        string text = _decoder is null ? string.Empty : _stops.Push(_decoder.Next(token));
        _pieces.Writer.TryWrite(new AnswerPiece(token, text, Request.Likeliest is { } count ? TokenLikelihood.Of(logits, token, count) : null));
        Request.Shape?.Advance(token);
        if (_stops.Stopped || Request.Shape is { Finished: true })
        {
            Finish(AnswerEnd.Stop);
        }
        else if (Made == Request.MaximumTokens || Position == context)
        {
            Finish(AnswerEnd.Length);
        }
    }

    /// <summary>Takes the sequence from it, for texts that were there before: what has been fed is fed again later, with the same keys and values.</summary>
    internal void Interrupt()
    {
        Taken?.Dispose();
        Taken = null;
        if (Again)
        {
            Beginning = [.. Request.Prompt, .. _fed];
        }
        else
        {
            _prompt.Clear();
        }

        Position = 0;
    }

    /// <summary>Ends it without an answer.</summary>
    internal void Fail(Exception reason)
    {
        Over = true;
        _pieces.Writer.TryComplete(reason);
    }

    /// <summary>Ends it for whoever no longer wants it.</summary>
    internal void Cancel() => Fail(new OperationCanceledException(Cancellation));

    private int Choose(ReadOnlySpan<float> logits, IReadOnlyList<int> endTokens)
    {
        if (Request.Shape is not { } shape)
        {
            return _sampler.Next(logits, Position);
        }

        _shaped ??= new float[logits.Length];
        logits.CopyTo(_shaped);
        shape.Apply(_shaped, endTokens.Concat(Request.Ends));
        return _sampler.Next(_shaped, Position);
    }

    private void Finish(AnswerEnd end)
    {
        if (_decoder is not null && _stops.Push(_decoder.Finish()) + _stops.Finish() is { Length: > 0 } rest)
        {
            _pieces.Writer.TryWrite(new AnswerPiece(-1, rest, null));
        }

        (End, Over) = (end, true);
        _pieces.Writer.TryComplete();
    }
}
