using System.Text;
using Portable.Tokenizers.Pipeline;
using Portable.Tokenizers.SentencePieces;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers;

/// <summary>
/// A <c>tokenizer.model</c> as SentencePiece reads it, with the added tokens of the files beside it matched in the text first,
/// as the tokenizers of transformers that read such files do.
/// </summary>
internal sealed class SentencePieceTokenizer : ITokenizer
{
    private readonly SentencePieceModel _model;
    private readonly SentencePieceEncoder _encoder;
    private readonly SentencePieceNormalizer _normalizer;
    private readonly AddedVocabulary _added;
    private readonly bool _legacy;

    /// <param name="model">The model.</param>
    /// <param name="encoder">Its encoder.</param>
    /// <param name="added">Added tokens.</param>
    /// <param name="legacy">Each stretch of text between added tokens begins as a text does.</param>
    /// <param name="frame">What is put around a text.</param>
    /// <param name="namedTokens">Tokens with a role.</param>
    public SentencePieceTokenizer(SentencePieceModel model, SentencePieceEncoder encoder, IReadOnlyList<AddedToken> added, bool legacy, PostProcessor frame, IReadOnlyDictionary<string, string> namedTokens)
    {
        (_model, _encoder, _legacy) = (model, encoder, legacy);
        _normalizer = new(model, encoder.UserDefined);
        _added = new(added, []);
        (Before, After, NamedTokens) = (frame.Before, frame.After, namedTokens);
    }

    public int VocabularySize => Math.Max(_model.Pieces.Count, _added.Size);

    public IReadOnlyList<int> Before { get; }

    public IReadOnlyList<int> After { get; }

    public IReadOnlyDictionary<string, string> NamedTokens { get; }

    public int[] Encode(string text, params ReadOnlySpan<Range> plain)
    {
        ArgumentNullException.ThrowIfNull(text);
        List<int> ids = [];
        List<Piece> pieces = _added.Extract(WellFormed.Text(text), new PlainRanges(plain, text.Length));
        if (!_legacy && _model.AddDummyPrefix && pieces is [{ IsText: false } first, ..] && !IsSpecial(first.Token))
        {
            _encoder.Encode(SentencePieceNormalizer.Metaspace, ids);
        }

        foreach (Piece piece in pieces)
        {
            if (!piece.IsText)
            {
                ids.Add(piece.Token);
                continue;
            }

            byte[] utf8 = Encoding.UTF8.GetBytes(piece.ToString());
            _encoder.Encode(_normalizer.Normalize(utf8, begins: _legacy || piece.AtStart), ids);
        }

        return [.. ids];
    }

    public string Decode(ReadOnlySpan<int> ids, bool keepSpecial = false)
    {
        StringBuilder text = new();
        Decoding decoding = new(this, keepSpecial);
        foreach (int id in ids)
        {
            decoding.Push(id, text);
        }

        decoding.Finish(text);
        return text.ToString();
    }

    public string? Token(int id) => _added.Text(id) ?? ((uint)id < (uint)_model.Pieces.Count ? _model.Pieces[id].Text : null);

    public byte[] Bytes(int id) => Token(id) is { } token ? PieceText.Bytes(token) : [];

    public int? Find(string token)
    {
        ArgumentNullException.ThrowIfNull(token);
        return _added.Find(token) ?? (_encoder.Find(token) is >= 0 and int id ? id : null);
    }

    public bool IsSpecial(int id) => _added.Special.Contains(id) || ((uint)id < (uint)_model.Pieces.Count && _model.Pieces[id].Kind == PieceKind.Control);

    IStreamingDecoding ITokenizer.StartDecoding(bool keepSpecial) => new Decoding(this, keepSpecial);

    private sealed class Decoding(SentencePieceTokenizer tokenizer, bool keepSpecial) : IStreamingDecoding
    {
        private readonly List<byte> _bytes = [];

        // Whether a space in front is still that which encoding put there.
        private bool _atStart = true, _spaceSeen, _any;

        public void Push(int id, StringBuilder text)
        {
            string? added = tokenizer._added.Text(id);
            if (added is not null || tokenizer.IsSpecial(id))
            {
                Finish(text);
                if (keepSpecial || !tokenizer.IsSpecial(id))
                {
                    text.Append(added ?? tokenizer.Token(id));
                    (_atStart, _spaceSeen, _any) = (tokenizer._legacy, false, false);
                }

                return;
            }

            if (tokenizer.Token(id) is not { } piece)
            {
                return;
            }

            PieceKind kind = tokenizer._model.Pieces[id].Kind;
            if (kind == PieceKind.Byte)
            {
                _bytes.AddRange(PieceText.Bytes(piece));
                Bytes(text, all: false);
                return;
            }

            Finish(text);
            _atStart &= !_spaceSeen && !_any;
            string decoded = kind == PieceKind.Unknown ? tokenizer._model.UnknownSurface : Surface(piece);
            _any |= decoded.Length > 0;
            text.Append(decoded);
        }

        public void Finish(StringBuilder text) => Bytes(text, all: true);

        private string Surface(string piece)
        {
            SentencePieceModel model = tokenizer._model;
            _spaceSeen = false;
            if (_atStart && (model.AddDummyPrefix || model.RemoveExtraWhitespaces) && piece.StartsWith('\u2581'))
            {
                piece = piece[1..];
                // Where spaces at the start were dropped, every one there is that which was put there.
                _spaceSeen = !model.RemoveExtraWhitespaces;
            }

            return piece.Replace('\u2581', ' ');
        }

        /// <summary>Characters that are whole; a byte that belongs to none is U+FFFD.</summary>
        private void Bytes(StringBuilder text, bool all)
        {
            ReadOnlySpan<byte> bytes = System.Runtime.InteropServices.CollectionsMarshal.AsSpan(_bytes);
            int done = 0;
            while (done < bytes.Length)
            {
                System.Buffers.OperationStatus status = Rune.DecodeFromUtf8(bytes[done..], out Rune rune, out int length);
                if (status == System.Buffers.OperationStatus.NeedMoreData && !all)
                {
                    break;
                }

                bool valid = status == System.Buffers.OperationStatus.Done;
                text.Append(valid ? rune.ToString() : "\uFFFD");
                done += valid ? length : 1;
                _any = true;
            }

            _bytes.RemoveRange(0, done);
        }
    }
}
