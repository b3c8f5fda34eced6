using System.Text;
using Portable.Tokenizers.Pipeline;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers;

/// <summary>A tokenizer as the tokenizers package builds it: added tokens, normalizers, pre-tokenizers, a model, and decode steps.</summary>
internal sealed class PipelineTokenizer : ITokenizer
{
    private readonly AddedVocabulary _added;
    private readonly IReadOnlyList<PreTokenizer> _preTokenizers;
    private readonly IPieceEncoder _model;
    private readonly Func<IReadOnlyList<DecodeStep>>? _decodeSteps;
    private readonly bool _bytes;

    /// <param name="parts">What it is built of.</param>
    /// <param name="frame">What is put around a text.</param>
    /// <param name="namedTokens">Tokens with a role.</param>
    public PipelineTokenizer(PipelineParts parts, PostProcessor frame, IReadOnlyDictionary<string, string> namedTokens)
    {
        (_added, _preTokenizers, _model, _decodeSteps) = (new(parts.Added, parts.Normalizers), parts.PreTokenizers, parts.Model, parts.DecodeSteps);
        _bytes = parts.Bytes;
        (Before, After, NamedTokens) = (frame.Before, frame.After, namedTokens);
    }

    public int VocabularySize => Math.Max(_model.Tokens.Size, _added.Size);

    public IReadOnlyList<int> Before { get; }

    public IReadOnlyList<int> After { get; }

    public IReadOnlyDictionary<string, string> NamedTokens { get; }

    public int[] Encode(string text, params ReadOnlySpan<Range> plain)
    {
        ArgumentNullException.ThrowIfNull(text);
        PlainRanges ranges = new(plain, text.Length);
        List<int> ids = new(text.Length / 3);
        List<Piece> pieces = [], split = [];
        foreach (Piece part in _added.Extract(WellFormed.Text(text), ranges))
        {
            if (!part.IsText)
            {
                ids.Add(part.Token);
                continue;
            }

            pieces.Clear();
            pieces.Add(part);
            foreach (PreTokenizer step in _preTokenizers)
            {
                split.Clear();
                foreach (Piece piece in pieces)
                {
                    step.Apply(piece, split);
                }

                (pieces, split) = (split, pieces);
            }

            foreach (Piece piece in pieces)
            {
                _model.Encode(piece.Span, ids, ranges.IsEmpty ? null : _added.Special);
            }
        }

        return [.. ids];
    }

    public string Decode(ReadOnlySpan<int> ids, bool keepSpecial = false)
    {
        StringBuilder text = new();
        IStreamingDecoding decoding = ((ITokenizer)this).StartDecoding(keepSpecial);
        foreach (int id in ids)
        {
            decoding.Push(id, text);
        }

        decoding.Finish(text);
        return text.ToString();
    }

    public string? Token(int id) => _added.Text(id) ?? _model.Tokens.Text(id);

    public byte[] Bytes(int id) => Token(id) is { } token ? _bytes ? ByteAlphabet.Read(token) : PieceText.Bytes(token) : [];

    public int? Find(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return _added.Find(token) ?? (_model.Tokens.Find(token) is >= 0 and int id ? id : null);
    }

    public bool IsSpecial(int id) => _added.Special.Contains(id);

    IStreamingDecoding ITokenizer.StartDecoding(bool keepSpecial) => new Decoding(this, keepSpecial);

    private sealed class Decoding : IStreamingDecoding
    {
        private readonly PipelineTokenizer _tokenizer;
        private readonly bool _keepSpecial;
        private readonly StringBuilder _text = new();
        private readonly Action<TokenPart> _push;
        private readonly Action _flush;

        public Decoding(PipelineTokenizer tokenizer, bool keepSpecial)
        {
            (_tokenizer, _keepSpecial) = (tokenizer, keepSpecial);
            // Without decode steps tokens are words with spaces between them.
            (_push, _flush) = DecodeStep.Chain(tokenizer._decodeSteps?.Invoke() ?? [new SpacedDecodeStep()], text => _text.Append(text));
        }

        public void Push(int id, StringBuilder text)
        {
            if ((_tokenizer._added.Decoded(id) ?? _tokenizer._model.Tokens.Text(id)) is { } token && (_keepSpecial || !_tokenizer._added.IsSpecialText(token)))
            {
                _push(TokenPart.Whole(token));
            }

            Give(text);
        }

        public void Finish(StringBuilder text)
        {
            _flush();
            Give(text);
        }

        private void Give(StringBuilder text)
        {
            text.Append(_text);
            _text.Clear();
        }
    }
}
