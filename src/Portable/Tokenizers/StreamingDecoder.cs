using System.Text;

namespace Portable.Tokenizers;

/// <summary>
/// Turns tokens into text as they come, holding back what later ones may change: together exactly the text that
/// <see cref="ITokenizer.Decode"/> gives for them, or adds for them to the text of the tokens before.
/// </summary>
internal sealed class StreamingDecoder
{
    private readonly IStreamingDecoding _decoding;
    private readonly StringBuilder _text = new();

    /// <param name="tokenizer">The tokenizer of the ids.</param>
    /// <param name="keepSpecial">Special tokens give their text; else nothing.</param>
    /// <param name="before">
    /// The tokens that the text continues: a space in front of its first word is then part of it, which at the start of a text many
    /// tokenizers take for one that they put there themselves.
    /// </param>
    public StreamingDecoder(ITokenizer tokenizer, bool keepSpecial = false, ReadOnlySpan<int> before = default)
    {
        _decoding = tokenizer.StartDecoding(keepSpecial);
        foreach (int id in before)
        {
            _decoding.Push(id, _text);
        }
    }

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
