namespace Portable.Tokenizers;

/// <summary>
/// Text to token ids and back. Beginning- and end-of-sequence tokens are the model's (<see cref="Models.ModelConfig"/>): no
/// tokenizer adds them, and the text of special tokens in the input is ordinary text.
/// </summary>
public interface ITokenizer
{
    /// <summary>Number of ids.</summary>
    int VocabularySize { get; }

    /// <summary>Ids of a text, no beginning-of-sequence token.</summary>
    int[] Encode(string text);

    /// <summary>The text of ids; special tokens give nothing, bytes that are no UTF-8 give U+FFFD.</summary>
    string Decode(ReadOnlySpan<int> ids);

    /// <summary>The bytes that a token adds to a running text; empty for special tokens and ids outside the vocabulary.</summary>
    ReadOnlySpan<byte> Bytes(int id);
}
