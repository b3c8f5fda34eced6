using System.Text;

namespace Portable.Tokenizers;

/// <summary>Turns tokens into text as they come, holding back a UTF-8 sequence until it is whole.</summary>
/// <param name="tokenizer">The tokenizer of the ids.</param>
public sealed class StreamingDecoder(ITokenizer tokenizer)
{
    private readonly Decoder _decoder = Encoding.UTF8.GetDecoder();

    /// <summary>The text that a token completes; often one word, sometimes nothing yet.</summary>
    public string Next(int id) => Convert(tokenizer.Bytes(id), flush: false);

    /// <summary>What is held back at the end: U+FFFD for a sequence that stayed incomplete.</summary>
    public string Finish() => Convert([], flush: true);

    private string Convert(ReadOnlySpan<byte> bytes, bool flush)
    {
        char[] text = new char[_decoder.GetCharCount(bytes, flush)];
        return new string(text, 0, _decoder.GetChars(bytes, text, flush));
    }
}
