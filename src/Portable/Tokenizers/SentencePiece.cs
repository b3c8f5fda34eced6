using Microsoft.ML.Tokenizers;

namespace Portable.Tokenizers;

/// <summary>A `tokenizer.model` of the SentencePiece kind, as LLaMA and Mistral use it.</summary>
internal sealed class SentencePiece : ITokenizer
{
    private readonly SentencePieceTokenizer _tokenizer;
    private readonly TokenBytes _bytes;

    public SentencePiece(Stream model)
    {
        _tokenizer = SentencePieceTokenizer.Create(model, addBeginningOfSentence: false, addEndOfSentence: false);
        HashSet<int> special = [_tokenizer.BeginningOfSentenceId, _tokenizer.EndOfSentenceId, _tokenizer.UnknownId];
        _bytes = TokenBytes.Metaspace(_tokenizer.Vocabulary, special);
    }

    public int VocabularySize => _bytes.Count;

    public int[] Encode(string text) => [.. _tokenizer.EncodeToIds(text, addBeginningOfSentence: false, addEndOfSentence: false)];

    public string Decode(ReadOnlySpan<int> ids)
    {
        string text = _bytes.Decode(ids);
        // Encoding put a space before the text.
        return _tokenizer.AddDummyPrefix && text.StartsWith(' ') ? text[1..] : text;
    }

    public ReadOnlySpan<byte> Bytes(int id) => _bytes[id];
}
