namespace Portable.Tokenizers;

/// <summary>
/// Text to token ids and back, as the tokenizer's reference implementation has it: the tokenizers package for
/// <c>tokenizer.json</c>, SentencePiece for <c>tokenizer.model</c>. Safe for use by several threads. Unpaired surrogates are
/// U+FFFD.
/// </summary>
public interface ITokenizer
{
    /// <summary>One more than the largest id.</summary>
    int VocabularySize { get; }

    /// <summary>Ids that the model wants in front of a text (a beginning-of-sequence token, mostly).</summary>
    IReadOnlyList<int> Before { get; }

    /// <summary>Ids that the model wants behind a text; mostly none.</summary>
    IReadOnlyList<int> After { get; }

    /// <summary>Texts of tokens that have a role, by its name ("bos_token", "eos_token", "pad_token", …), as the tokenizer's files name them.</summary>
    IReadOnlyDictionary<string, string> NamedTokens { get; }

    /// <summary>Ids of a text, nothing in front or behind. Added tokens in it are matched as the reference implementation matches them.</summary>
    /// <param name="text">The text.</param>
    /// <param name="plain">
    /// Ranges of the text whose characters never take part in a special token: what people and tools wrote inside a rendered
    /// chat; <c>..</c> makes all of it ordinary text. Added tokens that are not special are matched everywhere.
    /// </param>
    /// <exception cref="ArgumentOutOfRangeException">A range is not in the text.</exception>
    int[] Encode(string text, params ReadOnlySpan<Range> plain);

    /// <summary>The text of ids. Bytes that are no UTF-8 give U+FFFD; ids outside the vocabulary give nothing.</summary>
    /// <param name="ids">Token ids.</param>
    /// <param name="keepSpecial">Special tokens give their text; else nothing.</param>
    string Decode(ReadOnlySpan<int> ids, bool keepSpecial = false);

    /// <summary>The token of an id as the vocabulary spells it, or null.</summary>
    string? Token(int id);

    /// <summary>The bytes that a token of text stands for within a text; none for an id outside the vocabulary.</summary>
    byte[] Bytes(int id);

    /// <summary>The id of a token that is spelled so in the vocabulary, or null.</summary>
    int? Find(string token);

    /// <summary>Whether an id is a special token.</summary>
    bool IsSpecial(int id);

    /// <summary>Decodes ids one by one; see <see cref="StreamingDecoder"/>.</summary>
    internal IStreamingDecoding StartDecoding(bool keepSpecial);
}

/// <summary>Ids on their way to text, one by one.</summary>
internal interface IStreamingDecoding
{
    /// <summary>Takes an id and appends the text that is certain now.</summary>
    void Push(int id, System.Text.StringBuilder text);

    /// <summary>Appends what is left.</summary>
    void Finish(System.Text.StringBuilder text);
}

/// <summary>What every tokenizer can do by its other members.</summary>
internal static class TokenizerExtensions
{
    /// <summary>What the model is fed for a text: its ids between <see cref="ITokenizer.Before"/> and <see cref="ITokenizer.After"/>.</summary>
    public static int[] EncodeInput(this ITokenizer tokenizer, string text) => [.. tokenizer.Before, .. tokenizer.Encode(text), .. tokenizer.After];
}
