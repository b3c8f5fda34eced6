using System.Text;

namespace Portable.Tokenizers;

/// <summary>Turns tokens into text as they come, holding back what later ones may change: together exactly the text that <see cref="ITokenizer.Decode"/> gives.</summary>
/// <param name="tokenizer">The tokenizer of the ids.</param>
/// <param name="keepSpecial">Special tokens give their text; else nothing.</param>
internal sealed class StreamingDecoder(ITokenizer tokenizer, bool keepSpecial = false)
{
    private readonly IStreamingDecoding _decoding = tokenizer.StartDecoding(keepSpecial);
    private readonly StringBuilder _text = new();

    /// <summary>The text that a token completes; often one word, sometimes nothing yet.</summary>
    public string Next(int id)
    {
        _text.Clear();
        _decoding.Push(id, _text);
        return _text.ToString();
    }

    /// <summary>What is held back at the end: U+FFFD for a sequence of bytes that stayed incomplete.</summary>
    public string Finish()
    {
        _text.Clear();
        _decoding.Finish(_text);
        return _text.ToString();
    }
}
