using Portable.Tokenizers.Patterns;
using Portable.Tokenizers.Unicode;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers.Pipeline;

/// <summary>A step that changes a text before added tokens with <c>normalized</c> are looked for and it is split.</summary>
internal abstract class Normalizer
{
    /// <summary>The changed text.</summary>
    public abstract string Apply(string text);

    /// <summary>Whether the first character of the changed text stands for one behind the first of the text.</summary>
    public virtual bool DropsStart(string text) => false;

    /// <summary>Applies steps in order to a piece of text.</summary>
    public static Piece Apply(IReadOnlyList<Normalizer> steps, Piece piece)
    {
        if (steps.Count == 0)
        {
            return piece;
        }

        string text = piece.ToString();
        bool atStart = piece.AtStart;
        foreach (Normalizer step in steps)
        {
            atStart &= !step.DropsStart(text);
            text = step.Apply(text);
        }

        return piece.Replace(text) with { AtStart = atStart };
    }
}

/// <summary>A Unicode normalization form.</summary>
internal sealed class FormNormalizer(NormalizationForm form) : Normalizer
{
    public override string Apply(string text) => Normalization.Normalize(text, form);
}

/// <summary>Lower case, each character on its own.</summary>
internal sealed class LowercaseNormalizer : Normalizer
{
    public override string Apply(string text) => Lowercase.Of(text);
}

/// <summary>Puts a text in front of one that is not empty.</summary>
internal sealed class PrependNormalizer(string prefix) : Normalizer
{
    public override string Apply(string text) => text.Length == 0 ? text : prefix + text;
}

/// <summary>Drops white space at the ends.</summary>
internal sealed class StripNormalizer(bool left, bool right) : Normalizer
{
    public override bool DropsStart(string text) => left && text.Length > 0 && char.IsWhiteSpace(text[0]);

    public override string Apply(string text) => (left, right) switch
    {
        (true, true) => text.Trim(),
        (true, false) => text.TrimStart(),
        (false, true) => text.TrimEnd(),
        _ => text,
    };
}

/// <summary>Replaces what a pattern matches.</summary>
internal sealed class ReplaceNormalizer(Pattern pattern, string? literal, string content) : Normalizer
{
    public override bool DropsStart(string text) => content.Length == 0 && pattern.Matches(text) is [(0, > 0), ..];

    public override string Apply(string text) => literal is not null
        ? text.Replace(literal, content, StringComparison.Ordinal)
        : PatternReplacement.Replace(pattern, text, content);
}

/// <summary>Writes the bytes of a text in GPT-2's alphabet.</summary>
internal sealed class ByteLevelNormalizer : Normalizer
{
    public override string Apply(string text) => ByteAlphabet.Write(text);
}
