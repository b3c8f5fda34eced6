namespace Portable.Tokenizers.Patterns;

/// <summary>
/// A regular expression over code points, as tokenizers use them to cut text: finds what Oniguruma finds, in time that grows
/// with the text alone. Safe for use by several threads.
/// </summary>
internal sealed class Pattern
{
    private const int MostLooks = 4;

    private readonly PatternParts _parts = new();
    private readonly SymbolTable _symbols;
    private readonly PatternAutomaton _match;
    private readonly PatternAutomaton[] _looks;
    private readonly Lazy<PatternAutomaton> _begins;
    private readonly string? _literal;

    /// <summary>Prepares a pattern.</summary>
    /// <exception cref="FormatException">It is malformed, or uses what is not known.</exception>
    public Pattern(string pattern)
        : this(PatternParser.Parse(pattern))
    {
    }

    private Pattern(PatternNode node, string? literal = null)
    {
        _literal = literal;
        PatternProgram forward = PatternProgram.Compile(node, _parts, backward: false), back = PatternProgram.Compile(node, _parts, backward: true);
        if (_parts.Looks.Count > MostLooks)
        {
            throw new FormatException($"more than {MostLooks} lookarounds in the pattern are not supported");
        }

        PatternProgram[] looks = [.. _parts.Looks.Select(look => PatternProgram.Compile(look.Part, _parts, backward: look.Ahead))];
        _symbols = new SymbolTable(_parts.Sets);
        _match = new(forward, _parts, _symbols, anywhere: false);
        _looks = [.. looks.Select(program => new PatternAutomaton(program, _parts, _symbols, anywhere: true))];
        _begins = new(() => new(back, _parts, _symbols, anywhere: true));
    }

    /// <summary>The pattern that matches a text literally.</summary>
    public static Pattern Literal(string text) =>
        new(new PatternNode.Sequence([.. text.EnumerateRunes().Select(r => new PatternNode.Characters(Unicode.CodePointSet.Of(r.Value)))]), text);

    /// <summary>
    /// Matches from left to right, none overlapping; an empty one does not follow the match before it at once. Indices are
    /// UTF-16 units; unpaired surrogates are characters of their own.
    /// </summary>
    public List<(int Start, int End)> Matches(ReadOnlySpan<char> text)
    {
        List<(int, int)> matches = [];
        if (_literal is { Length: var length })
        {
            for (int at = 0; text[at..].IndexOf(_literal) is >= 0 and int next; at += next + length)
            {
                matches.Add((at + next, at + next + length));
            }

            return matches;
        }

        byte[]? looks = Looks(text);
        bool[]? begins = null;
        long wasted = 0;
        int last = -1;
        for (int start = 0; start <= text.Length;)
        {
            if (begins is not null && !begins[start])
            {
                start++;
                continue;
            }

            int end = End(text, start, looks, out int read);
            if (end < 0 || (end == start && last == start))
            {
                // Looking in vain over long stretches again and again: find out once where matches begin.
                wasted += read - start;
                begins = wasted > 256 + (4L * text.Length) && begins is null ? Begins(text, looks) : begins;
                start += start + 1 < text.Length && char.IsHighSurrogate(text[start]) && char.IsLowSurrogate(text[start + 1]) ? 2 : 1;
                continue;
            }

            matches.Add((start, end));
            (start, last) = (end, end);
        }

        return matches;
    }

    /// <summary>Where the preferred match that begins at <paramref name="start"/> ends, or −1; <paramref name="read"/>: how far was looked.</summary>
    private int End(ReadOnlySpan<char> text, int start, byte[]? looks, out int read)
    {
        int end = -1, at = start;
        for (PatternAutomaton.State? state = _match.Start(_symbols.Before(text, start, out _)); ;)
        {
            int length = 0;
            int symbol = at < text.Length ? _symbols.At(text, at, out length) : _symbols.Edge;
            PatternAutomaton.Transition transition = _match.Next(state, symbol, looks is null ? 0 : looks[at]);
            end = transition.Match ? at : end;
            if (transition.Next is null)
            {
                read = at;
                return end;
            }

            (state, at) = (transition.Next, at + length);
        }
    }

    private byte[]? Looks(ReadOnlySpan<char> text)
    {
        if (_looks.Length == 0)
        {
            return null;
        }

        byte[] answers = new byte[text.Length + 1];
        for (int i = 0; i < _looks.Length; i++)
        {
            int bit = 1 << i;
            Sweep(_looks[i], text, answers, backward: _parts.Looks[i].Ahead, at => answers[at] |= (byte)bit);
        }

        return answers;
    }

    private bool[] Begins(ReadOnlySpan<char> text, byte[]? looks)
    {
        bool[] begins = new bool[text.Length + 1];
        Sweep(_begins.Value, text, looks, backward: true, at => begins[at] = true);
        return begins;
    }

    /// <summary>Every place where a match ends, read in one direction.</summary>
    private void Sweep(PatternAutomaton automaton, ReadOnlySpan<char> text, byte[]? looks, bool backward, Action<int> found)
    {
        int at = backward ? text.Length : 0;
        for (PatternAutomaton.State? state = automaton.Start(_symbols.Edge); state is not null;)
        {
            int length = 0;
            int symbol = backward ? _symbols.Before(text, at, out length) : at < text.Length ? _symbols.At(text, at, out length) : _symbols.Edge;
            PatternAutomaton.Transition transition = automaton.Next(state, symbol, looks is null ? 0 : looks[at]);
            if (transition.Match)
            {
                found(at);
            }

            (state, at) = (transition.Next, backward ? at - length : at + length);
        }
    }
}
