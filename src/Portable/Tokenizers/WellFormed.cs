namespace Portable.Tokenizers;

/// <summary>Text without unpaired surrogates, which no encoding of Unicode can hold.</summary>
internal static class WellFormed
{
    /// <summary>A text in which each unpaired surrogate is U+FFFD: as many UTF-16 units as before.</summary>
    public static string Text(string text)
    {
        int at = Unpaired(text);
        return at < 0 ? text : string.Create(text.Length, text, (span, from) =>
        {
            from.CopyTo(span);
            for (int i = Unpaired(span); i >= 0; i = Unpaired(span))
            {
                span[i] = '\uFFFD';
                span = span[(i + 1)..];
            }
        });
    }

    private static int Unpaired(ReadOnlySpan<char> text)
    {
        for (int i = 0; i < text.Length; i++)
        {
            int next = text[i..].IndexOfAnyInRange('\uD800', '\uDFFF');
            if (next < 0)
            {
                return -1;
            }

            i += next;
            if (!char.IsHighSurrogate(text[i]) || i + 1 == text.Length || !char.IsLowSurrogate(text[i + 1]))
            {
                return i;
            }

            i++;
        }

        return -1;
    }
}
