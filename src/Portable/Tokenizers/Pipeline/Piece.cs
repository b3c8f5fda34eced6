namespace Portable.Tokenizers.Pipeline;

/// <summary>A part of a text on its way through a tokenizer.</summary>
/// <param name="Text">The text it is part of, normalized or not.</param>
/// <param name="Start">Its first UTF-16 unit.</param>
/// <param name="End">The unit behind its last.</param>
/// <param name="AtStart">Its first character is the first of the text that the tokenizer was given.</param>
/// <param name="Token">The added token that it is; −1: it is text.</param>
internal readonly record struct Piece(string Text, int Start, int End, bool AtStart, int Token = -1)
{
    public ReadOnlySpan<char> Span => Text.AsSpan(Start, End - Start);

    public bool IsText => Token < 0;

    /// <summary>A part of it; indices are in <see cref="Text"/>.</summary>
    public Piece Slice(int start, int end) => this with { Start = start, End = end, AtStart = AtStart && start == Start };

    /// <summary>Another text in its place.</summary>
    public Piece Replace(string text) => this with { Text = text, Start = 0, End = text.Length };

    public override string ToString() => Start == 0 && End == Text.Length ? Text : Text[Start..End];
}
