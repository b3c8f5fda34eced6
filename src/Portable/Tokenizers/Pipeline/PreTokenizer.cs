using Portable.Tokenizers.Patterns;
using Portable.Tokenizers.Unicode;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers.Pipeline;

/// <summary>A step that splits normalized text into the pieces that the model encodes one by one.</summary>
internal abstract class PreTokenizer
{
    /// <summary>Splits a piece of text, which is not empty.</summary>
    public abstract void Apply(Piece piece, List<Piece> output);
}

/// <summary>Splits at what a pattern matches.</summary>
internal sealed class SplitPreTokenizer(Pattern pattern, SplitBehavior behavior, bool invert) : PreTokenizer
{
    public override void Apply(Piece piece, List<Piece> output) => Splitting.Split(piece, pattern.Matches(piece.Span), behavior, invert, output);
}

/// <summary>Splits at each character of a set.</summary>
internal sealed class CharacterPreTokenizer(CodePointSet set, SplitBehavior behavior) : PreTokenizer
{
    public override void Apply(Piece piece, List<Piece> output) => Splitting.Split(piece, Splitting.Characters(piece.Span, set), behavior, invert: false, output);
}

/// <summary>GPT-2's words, as bytes in its alphabet.</summary>
/// <param name="prefixSpace">Put a space in front of a piece that begins with none.</param>
/// <param name="split">Split into GPT-2's words.</param>
/// <param name="write">Write the bytes here; else the model does.</param>
internal sealed class ByteLevelPreTokenizer(bool prefixSpace, bool split, bool write) : PreTokenizer
{
    /// <summary>Contractions, letters, digits and other signs each with a leading space, and runs of spaces.</summary>
    public const string Words = @"'s|'t|'re|'ve|'m|'ll|'d| ?\p{L}+| ?\p{N}+| ?[^\s\p{L}\p{N}]+|\s+(?!\S)|\s+";

    private static readonly Lazy<Pattern> WordPattern = new(() => new Pattern(Words));

    public override void Apply(Piece piece, List<Piece> output)
    {
        if (prefixSpace && !piece.Span.StartsWith(' '))
        {
            piece = piece.Replace(" " + piece.ToString());
        }

        int before = output.Count;
        if (split)
        {
            Splitting.Split(piece, WordPattern.Value.Matches(piece.Span), SplitBehavior.Isolated, invert: false, output);
        }
        else
        {
            output.Add(piece);
        }

        for (int i = before; write && i < output.Count; i++)
        {
            output[i] = output[i].Replace(ByteAlphabet.Write(output[i].Span));
        }
    }
}

/// <summary>Where a metaspace is put in front.</summary>
internal enum PrependScheme
{
    Always,

    /// <summary>At the start of the text only.</summary>
    First,

    Never,
}

/// <summary>Spaces become a visible character (▁), and words begin with it.</summary>
internal sealed class MetaspacePreTokenizer(char replacement, PrependScheme scheme, bool split) : PreTokenizer
{
    public override void Apply(Piece piece, List<Piece> output)
    {
        string text = piece.ToString().Replace(' ', replacement);
        if (!text.StartsWith(replacement) && (scheme == PrependScheme.Always || (scheme == PrependScheme.First && piece.AtStart)))
        {
            text = replacement + text;
        }

        piece = piece.Replace(text);
        if (!split)
        {
            output.Add(piece);
            return;
        }

        List<(int, int)> matches = [];
        for (int i = text.IndexOf(replacement); i >= 0; i = text.IndexOf(replacement, i + 1))
        {
            matches.Add((i, i + 1));
        }

        Splitting.Split(piece, matches, SplitBehavior.MergedWithNext, invert: false, output);
    }
}

/// <summary>Runs of word characters and runs of other signs; white space is dropped.</summary>
internal sealed class WordPreTokenizer : PreTokenizer
{
    public override void Apply(Piece piece, List<Piece> output)
    {
        int start = piece.Start, at = start;
        int Kind(int c) => UnicodeProperties.WhiteSpace.Contains(c) ? 0 : UnicodeProperties.Word.Contains(c) ? 1 : 2;
        int kind = 0;
        foreach (System.Text.Rune rune in piece.Span.EnumerateRunes())
        {
            int next = Kind(rune.Value);
            if (next != kind)
            {
                Emit(piece, start, at, kind, output);
                (start, kind) = (at, next);
            }

            at += rune.Utf16SequenceLength;
        }

        Emit(piece, start, at, kind, output);
    }

    private static void Emit(Piece piece, int start, int end, int kind, List<Piece> output)
    {
        if (kind != 0 && end > start)
        {
            output.Add(piece.Slice(start, end));
        }
    }
}
