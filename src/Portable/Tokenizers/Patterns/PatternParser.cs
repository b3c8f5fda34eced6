using System.Globalization;
using System.Text;
using Portable.Tokenizers.Unicode;

namespace Portable.Tokenizers.Patterns;

/// <summary>
/// Reads the regular expressions of tokenizers in Oniguruma's own syntax, which is what the tokenizers package reads them in:
/// ^ and $ at every line, \h a hexadecimal digit, sets within sets, &amp;&amp; for what two sets have in common. A construct
/// that is not known is an error that names it.
/// </summary>
internal sealed class PatternParser
{
    private const int MostRepetitions = 1000;

    private readonly int[] _text;
    private int _at;
    private bool _ignoreCase, _dotAll;

    // The last literal under (?i), and where it ended.
    private int _literal, _literalEnd = -1;

    private PatternParser(string pattern) => _text = [.. pattern.EnumerateRunes().Select(r => r.Value)];

    private static CodePointSet Digit => UnicodeProperties.Category("nd")!;

    /// <summary>Reads a pattern.</summary>
    /// <exception cref="FormatException">It is malformed, or uses what is not known.</exception>
    public static PatternNode Parse(string pattern)
    {
        PatternParser parser = new(pattern);
        PatternNode node = parser.Choice();
        return parser._at == parser._text.Length ? node : throw new FormatException("unmatched ) in the pattern");
    }

    private PatternNode Choice()
    {
        // Options set inside a group end with it.
        (bool ignoreCase, bool dotAll) = (_ignoreCase, _dotAll);
        List<PatternNode> choices = [];
        do
        {
            List<PatternNode> parts = [];
            while (_at < _text.Length && _text[_at] is not ('|' or ')'))
            {
                parts.Add(Quantified());
            }

            choices.Add(parts.Count == 1 ? parts[0] : new PatternNode.Sequence(parts));
        }
        while (Take('|'));
        (_ignoreCase, _dotAll) = (ignoreCase, dotAll);
        return choices.Count == 1 ? choices[0] : new PatternNode.Choice(choices);
    }

    private PatternNode Quantified()
    {
        PatternNode node = Atom();
        while (Quantifier() is { } range)
        {
            bool interval = _text[_at - 1] == '}';
            if (Take('?'))
            {
                node = interval && range.Least == range.Most
                    ? throw new FormatException($"{{{range.Least}}}? in the pattern is not supported")
                    : new PatternNode.Repeat(node, range.Least, range.Most, Greedy: false);
            }
            else if (!interval && Take('+'))
            {
                node = Possessive(node, range.Least, range.Most, "a possessive quantifier");
            }
            else
            {
                node = new PatternNode.Repeat(node, range.Least, range.Most, Greedy: true);
            }
        }

        return node;
    }

    /// <summary>As many as there are, giving none back: after the last, no more of them may follow.</summary>
    private static PatternNode Possessive(PatternNode node, int least, int most, string name)
    {
        if (node is not PatternNode.Characters { Set: var set })
        {
            throw new FormatException($"{name} over more than one character in the pattern is not supported");
        }

        PatternNode end = new PatternNode.Boundary([(Neighbor.Anything, new Neighbor(set, false).Complement())]);
        return (least, most) switch
        {
            (_, PatternNode.Repeat.Unbounded) => new PatternNode.Sequence([new PatternNode.Repeat(node, least, most, Greedy: true), end]),
            (0, 1) => new PatternNode.Choice([node, end]),
            _ => throw new FormatException($"{name} with a bound in the pattern is not supported"),
        };
    }

    private (int Least, int Most)? Quantifier()
    {
        if (_at == _text.Length)
        {
            return null;
        }

        switch (_text[_at])
        {
            case '*': _at++; return (0, PatternNode.Repeat.Unbounded);
            case '+': _at++; return (1, PatternNode.Repeat.Unbounded);
            case '?': _at++; return (0, 1);
            case '{': return Interval();
            default: return null;
        }
    }

    private (int Least, int Most)? Interval()
    {
        int start = _at++;
        int? least = Number(), most = least;
        if (Take(','))
        {
            most = Number() ?? PatternNode.Repeat.Unbounded;
            least ??= most == PatternNode.Repeat.Unbounded ? null : 0;
        }

        if (least is not { } low || most is not { } high || !Take('}'))
        {
            // No interval: the brace is a character.
            _at = start;
            return null;
        }

        return low > high || low > MostRepetitions || (high > MostRepetitions && high != PatternNode.Repeat.Unbounded)
            ? throw new FormatException($"{{{low},{high}}} in the pattern is not supported") : (low, high);
    }

    private int? Number()
    {
        int start = _at;
        while (_at < _text.Length && _text[_at] is >= '0' and <= '9')
        {
            _at++;
        }

        return _at > start && int.TryParse(Text(start, _at), NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : null;
    }

    private PatternNode Atom()
    {
        int c = _text[_at++];
        switch (c)
        {
            case '(':
                return Group();
            case '[':
                return new PatternNode.Characters(PatternClass());
            case '.':
                return new PatternNode.Characters(_dotAll ? CodePointSet.All : CodePointSet.Of('\n').Complement());
            case '^':
                // At a line feed that ends the text no further line begins.
                return new PatternNode.Boundary([(new(CodePointSet.None, true), Neighbor.Anything), (new(CodePointSet.Of('\n'), false), new(CodePointSet.All, false))]);
            case '$':
                return new PatternNode.Boundary([(Neighbor.Anything, new(CodePointSet.Of('\n'), true))]);
            case '*' or '+' or '?':
                throw new FormatException($"the quantifier '{(char)c}' in the pattern repeats nothing");
            case '\\':
                return Escape() switch
                {
                    { Set: { } set } => new PatternNode.Characters(set),
                    { Node: { } node } => node,
                    var escape => Literal(escape.Character),
                };
            default:
                return Literal(c);
        }
    }

    private PatternNode.Characters Literal(int c)
    {
        if (!_ignoreCase)
        {
            return new(CodePointSet.Of(c));
        }

        // ß is the other case of "ss", ﬁ of "fi": one character for two, which nothing here can match.
        string pair = _literalEnd == _at - 1 ? $"{(char)_literal}{(char)(c | 0x20)}" : "";
        (_literal, _literalEnd) = (c | 0x20, _at);
        return pair is "ss" or "st" or "ff" or "fi" or "fl"
            ? throw new FormatException($"(?i) over '{pair}' in the pattern is not supported") : new(BothCases(CodePointSet.Of(c), c, c));
    }

    private PatternNode Group()
    {
        if (!Take('?'))
        {
            return Closed(Choice());
        }

        if (_at == _text.Length)
        {
            throw Unended("group");
        }

        int start = _at, c = _text[_at++];
        switch (c)
        {
            case ':':
                return Closed(Choice());
            case '=' or '!':
                return Looking(Closed(Choice()), ahead: true, negative: c == '!');
            case '>':
                return Closed(Choice()) switch
                {
                    PatternNode.Repeat { Greedy: true } repeat => Possessive(repeat.Part, repeat.Least, repeat.Most, "an atomic group"),
                    PatternNode.Characters one => one,
                    _ => throw new FormatException("an atomic group over more than one repeated character in the pattern is not supported"),
                };
            case '<' when _at < _text.Length && _text[_at] is '=' or '!':
                bool negative = _text[_at++] == '!';
                return Looking(Closed(Choice()), ahead: false, negative);
            case '#':
                while (!Take(')'))
                {
                    _at = _at < _text.Length ? _at + 1 : throw Unended("comment");
                }

                return PatternNode.Empty;
            case '<':
                while (!Take('>'))
                {
                    _at = _at < _text.Length ? _at + 1 : throw Unended("name");
                }

                return Closed(Choice());
            default:
                _at = start;
                return Options();
        }
    }

    /// <summary>(?i) to the end of the group around it, (?i:…) for a group of its own; m is "dot matches line feeds".</summary>
    private PatternNode Options()
    {
        (bool ignoreCase, bool dotAll) = (_ignoreCase, _dotAll);
        for (bool on = true; _at < _text.Length;)
        {
            int c = _text[_at++];
            switch (c)
            {
                case '-': on = false; break;
                case 'i': _ignoreCase = on; break;
                case 'm': _dotAll = on; break;
                case ':':
                    PatternNode inner = Closed(Choice());
                    (_ignoreCase, _dotAll) = (ignoreCase, dotAll);
                    return inner;
                case ')':
                    // What follows in the group, its further choices included.
                    return Choice();
                default:
                    throw new FormatException($"(?{char.ConvertFromUtf32(c)} in the pattern is not supported");
            }
        }

        throw Unended("group");
    }

    private static PatternNode Looking(PatternNode node, bool ahead, bool negative)
    {
        if (node is not PatternNode.Characters { Set: var set })
        {
            return new PatternNode.Look(node, ahead, negative);
        }

        Neighbor neighbor = negative ? new Neighbor(set, false).Complement() : new(set, false);
        return new PatternNode.Boundary([ahead ? (Neighbor.Anything, neighbor) : (neighbor, Neighbor.Anything)]);
    }

    private PatternNode Closed(PatternNode inner) => Take(')') ? inner : throw Unended("group");

    private readonly record struct Escaped(int Character, CodePointSet? Set = null, PatternNode? Node = null);

    private Escaped Escape(bool inSet = false)
    {
        if (_at == _text.Length)
        {
            throw new FormatException("the pattern ends in \\");
        }

        int c = _text[_at++];
        switch (c)
        {
            case 't': return new('\t');
            case 'n': return new('\n');
            case 'r': return new('\r');
            case 'f': return new('\f');
            case 'v': return new('\v');
            case 'a': return new('\a');
            case 'e': return new(0x1B);
            case 'd': return new(0, Digit);
            case 'D': return new(0, Digit.Complement());
            case 's': return new(0, UnicodeProperties.WhiteSpace);
            case 'S': return new(0, UnicodeProperties.WhiteSpace.Complement());
            case 'w': return new(0, inSet ? UnicodeProperties.ClassWord : UnicodeProperties.PatternWord);
            case 'W': return new(0, (inSet ? UnicodeProperties.ClassWord : UnicodeProperties.PatternWord).Complement());
            case 'h': return new(0, UnicodeProperties.HexDigits);
            case 'H': return new(0, UnicodeProperties.HexDigits.Complement());
            case 'p' or 'P': return new(0, Property(c == 'P'));
            case 'x' when Take('{'): return new(HexDigits(1, 8, '}'));
            case 'x': return new(HexDigits(1, 2, null));
            case 'u': return new(HexDigits(4, 4, null));
            case '0': return new(0);
            case 'A' when !inSet:
                return new(0, null, new PatternNode.Boundary([(new(CodePointSet.None, true), Neighbor.Anything)]));
            case 'z' when !inSet:
                return new(0, null, new PatternNode.Boundary([(Neighbor.Anything, new(CodePointSet.None, true))]));
            case 'b' or 'B' when !inSet:
                Neighbor word = new(UnicodeProperties.PatternWord, false), other = word.Complement();
                return new(0, null, new PatternNode.Boundary(c == 'b' ? [(word, other), (other, word)] : [(word, word), (other, other)]));
            case 'b': return new('\b');
            case (>= 'a' and <= 'z') or (>= 'A' and <= 'Z') or (>= '1' and <= '9'):
                throw new FormatException($"\\{(char)c} in the pattern is not supported");
            default:
                return new(c);
        }
    }

    private int HexDigits(int least, int most, int? end)
    {
        int start = _at;
        while (_at < _text.Length && _at - start < most && UnicodeProperties.HexDigits.Contains(_text[_at]))
        {
            _at++;
        }

        bool enough = _at - start >= least && (end is not { } close || Take((char)close));
        return enough && int.TryParse(Text(start, _at - (end is null ? 0 : 1)), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture, out int value) && Rune.IsValid(value)
            ? value : throw new FormatException("a character code in the pattern is malformed");
    }

    private CodePointSet Property(bool negated)
    {
        if (!Take('{'))
        {
            throw new FormatException("\\p in the pattern has no {…}");
        }

        negated ^= Take('^');
        int start = _at;
        while (!Take('}'))
        {
            _at = _at < _text.Length ? _at + 1 : throw Unended("\\p{");
        }

        string name = Text(start, _at - 1);
        CodePointSet set = Uncased($"\\p{{{name}}}", UnicodeProperties.ByName(name) ?? throw new FormatException($"\\p{{{name}}} in the pattern is not supported"));
        return negated ? set.Complement() : set;
    }

    private CodePointSet PatternClass()
    {
        bool negated = Take('^');
        CodePointSet result = CodePointSet.All, set = CodePointSet.None;
        for (bool first = true; ; first = false)
        {
            if (_at == _text.Length)
            {
                throw Unended("[");
            }

            if (!first && Take(']'))
            {
                break;
            }

            if (_text[_at] == '&' && _at + 1 < _text.Length && _text[_at + 1] == '&')
            {
                _at += 2;
                (result, set) = (result.Intersect(set), CodePointSet.None);
                continue;
            }

            if (Take('['))
            {
                set = set.Union(_at < _text.Length && _text[_at] == ':' && Posix() is { } named ? named : PatternClass());
                continue;
            }

            int low = _text[_at++];
            if (low == '\\')
            {
                Escaped escape = Escape(inSet: true);
                if (escape.Set is { } escaped)
                {
                    set = set.Union(escaped);
                    continue;
                }

                low = escape.Character;
            }

            int high = low;
            if (_at + 1 < _text.Length && _text[_at] == '-' && _text[_at + 1] is not (']' or '['))
            {
                _at++;
                high = _text[_at++];
                if (high == '\\')
                {
                    Escaped escape = Escape(inSet: true);
                    high = escape.Set is null ? escape.Character : throw new FormatException("a range in the pattern ends in a set");
                }
            }

            CodePointSet range = low <= high ? CodePointSet.Range(low, high) : throw new FormatException("a range in the pattern is reversed");
            set = set.Union(_ignoreCase ? BothCases(range, low, high) : range);
        }

        result = result.Intersect(set);
        return negated ? result.Complement() : result;
    }

    /// <summary>[:name:] or [:^name:]; null, with nothing read, where it is no such thing.</summary>
    private CodePointSet? Posix()
    {
        int start = _at++;
        bool negated = Take('^');
        int name = _at;
        while (_at < _text.Length && _text[_at] is >= 'a' and <= 'z')
        {
            _at++;
        }

        int end = _at;
        if (!Take(':') || !Take(']'))
        {
            _at = start;
            return null;
        }

        CodePointSet set = UnicodeProperties.ByPosixName(Text(name, end)) ?? throw new FormatException($"[:{Text(name, end)}:] in the pattern is not supported");
        return negated ? set.Complement() : set;
    }

    /// <summary>Both cases of the ASCII letters of a range: s has ſ and k has K (Kelvin) besides.</summary>
    private static CodePointSet BothCases(CodePointSet set, int low, int high)
    {
        if (high > 0x7F && !set.Intersect(UnicodeProperties.Category("l")!.Union(UnicodeProperties.Category("m")!)).Except(CodePointSet.Range(0, 0x7F)).IsEmpty)
        {
            throw new FormatException("(?i) over letters beyond ASCII in the pattern is not supported");
        }

        for (int c = Math.Max(low, 'A'); c <= Math.Min(high, 'z'); c++)
        {
            if (char.IsAsciiLetter((char)c))
            {
                set = set.Union(CodePointSet.Of(c ^ 0x20));
                set = (c | 0x20) switch { 's' => set.Union(CodePointSet.Of(0x17F)), 'k' => set.Union(CodePointSet.Of(0x212A)), _ => set };
            }
        }

        return set;
    }

    private CodePointSet Uncased(string name, CodePointSet set) => _ignoreCase ? throw new FormatException($"{name} under (?i) in the pattern is not supported") : set;

    private bool Take(char c)
    {
        if (_at < _text.Length && _text[_at] == c)
        {
            _at++;
            return true;
        }

        return false;
    }

    private string Text(int start, int end) => string.Concat(_text[start..end].Select(c => char.ConvertFromUtf32(c)));

    private static FormatException Unended(string what) => new($"the pattern has a {what} without an end");
}
