using Portable.Tokenizers.Patterns;
using Portable.Tokenizers.Unicode;

namespace Portable.Generation.Constraints;

/// <summary>What a step of a <see cref="ByteProgram"/> does.</summary>
internal enum ByteStep
{
    /// <summary>Takes a byte of a range, then goes on.</summary>
    Range,

    /// <summary>Goes on at either of two steps.</summary>
    Split,

    /// <summary>Runs a rule, then goes on.</summary>
    Call,

    /// <summary>Ends a rule.</summary>
    Return,

    /// <summary>The text may end here.</summary>
    Accept,
}

/// <summary>
/// A language of UTF-8 texts as steps over bytes, with rules that call each other (so that values may nest). Built from its end: every
/// method is given the step that comes next and gives the step to start at.
/// </summary>
internal sealed class ByteProgram
{
    private const int MostSteps = 200_000;
    private static readonly int[] LastOfLength = [0x7F, 0x7FF, 0xFFFF, 0x10FFFF];
    private readonly List<(ByteStep Kind, int A, int B, byte Low, byte High)> _steps = [];
    private readonly List<int> _rules = [];

    public ByteProgram() => (Accept, Return) = (Add((ByteStep.Accept, 0, 0, 0, 0)), Add((ByteStep.Return, 0, 0, 0, 0)));

    /// <summary>The step at which the text may end.</summary>
    public int Accept { get; }

    /// <summary>The step at which a rule ends.</summary>
    public int Return { get; }

    /// <summary>Where the language starts.</summary>
    public int Start { get; set; }

    public (ByteStep Kind, int A, int B, byte Low, byte High) this[int step] => _steps[step];

    /// <summary>First step of a rule.</summary>
    public int RuleStart(int rule) => _rules[rule];

    /// <summary>Makes room for a rule that is told later.</summary>
    public int DeclareRule()
    {
        _rules.Add(-1);
        return _rules.Count - 1;
    }

    public void DefineRule(int rule, int start) => _rules[rule] = start;

    public int Call(int rule, int next) => Add((ByteStep.Call, rule, next, 0, 0));

    public int Range(byte low, byte high, int next) => Add((ByteStep.Range, next, 0, low, high));

    public int Either(int first, int second) => Add((ByteStep.Split, first, second, 0, 0));

    public int Any(IEnumerable<int> starts) => starts.Reverse().Aggregate((a, b) => Either(b, a));

    public int Text(string text, int next) => Bytes(System.Text.Encoding.UTF8.GetBytes(text), next);

    public int Bytes(ReadOnlySpan<byte> bytes, int next)
    {
        for (int i = bytes.Length - 1; i >= 0; i--)
        {
            next = Range(bytes[i], bytes[i], next);
        }

        return next;
    }

    /// <summary>Part, from least to most times; most &lt; 0 = no bound.</summary>
    public int Repeat(Func<int, int> part, int least, int most, int next)
    {
        if (most < 0)
        {
            int loop = Either(next, next);
            _steps[loop] = _steps[loop] with { A = part(loop) };
            next = loop;
        }

        int end = next;
        for (int i = least; i < most; i++)
        {
            next = Either(part(next), end);
        }

        for (int i = 0; i < least; i++)
        {
            next = part(next);
        }

        return next;
    }

    /// <summary>A step whose way on is told later, for what comes round again.</summary>
    public int Later() => Either(Accept, Accept);

    /// <summary>Tells the way on.</summary>
    public void Set(int later, int start) => _steps[later] = _steps[later] with { A = start, B = start };

    /// <summary>Any bytes, which may end anywhere, up to the first time that a tag is whole.</summary>
    /// <param name="tag">The tag, of which no end begins it anew but by its first byte.</param>
    /// <param name="next">What comes behind it.</param>
    public int Until(string tag, int next)
    {
        byte[] bytes = System.Text.Encoding.UTF8.GetBytes(tag);
        int[] matched = [.. bytes.Select(_ => Later())];
        for (int i = 0; i < bytes.Length; i++)
        {
            List<int> ways = [Accept, Range(bytes[i], bytes[i], i + 1 < bytes.Length ? matched[i + 1] : next)];
            byte first = bytes[0];
            if (i > 0 && bytes[i] != first)
            {
                ways.Add(Range(first, first, matched[1]));
            }

            byte low = Math.Min(first, bytes[i]), high = Math.Max(first, bytes[i]);
            foreach ((int from, int to) in ((int, int)[])[(0, low - 1), (low + 1, high - 1), (high + 1, 255)])
            {
                if (from <= to)
                {
                    ways.Add(Range((byte)from, (byte)to, matched[0]));
                }
            }

            Set(matched[i], Any(ways));
        }

        return matched[0];
    }

    /// <summary>One code point of a set; surrogates are in none.</summary>
    public int CodePoint(CodePointSet set, int next)
    {
        List<int> starts = [];
        ReadOnlySpan<int> bounds = set.Bounds;
        for (int i = 0; i < bounds.Length; i += 2)
        {
            Split(bounds[i], bounds[i + 1] - 1, next, starts);
        }

        return starts.Count > 0 ? Any(starts) : throw new ConstraintException("A set of characters is empty.");
    }

    /// <summary>A regular expression, read as tokenizers' are; anchors at its ends say what holds anyway: it is the whole text.</summary>
    /// <param name="node">The expression.</param>
    /// <param name="next">What comes behind it.</param>
    /// <param name="character">Writes one character of a set.</param>
    public int Pattern(PatternNode node, int next, Func<CodePointSet, int, int> character)
    {
        switch (node)
        {
            case PatternNode.Characters characters:
                return character(characters.Set, next);
            case PatternNode.Sequence sequence:
                foreach (PatternNode part in sequence.Parts.Reverse())
                {
                    next = Pattern(part, next, character);
                }

                return next;
            case PatternNode.Choice choice:
                int after = next;
                return Any(choice.Parts.Select(part => Pattern(part, after, character)).ToArray());
            case PatternNode.Repeat repeat:
                return Repeat(end => Pattern(repeat.Part, end, character), repeat.Least, repeat.Most == PatternNode.Repeat.Unbounded ? -1 : repeat.Most, next);
            default:
                throw new ConstraintException("A regular expression that looks ahead, behind or at boundaries inside is not supported.");
        }
    }

    /// <summary>Reads a regular expression of a request.</summary>
    /// <exception cref="ConstraintException">It is malformed.</exception>
    public static PatternNode ParsePattern(string pattern)
    {
        const int Longest = 10_000;
        if (pattern.Length > Longest)
        {
            throw new ConstraintException($"A regular expression must be at most {Longest} characters long.");
        }

        string body = pattern.StartsWith('^') ? pattern[1..] : pattern;
        bool escaped = body.EndsWith("\\$", StringComparison.Ordinal);
        body = body.EndsWith('$') && !escaped ? body[..^1] : body;
        try
        {
            return PatternParser.Parse(body);
        }
        catch (FormatException e)
        {
            throw new ConstraintException($"The regular expression cannot be read: {e.Message}.");
        }
    }

    private void Split(int low, int high, int next, List<int> starts)
    {
        if (low <= 0xDFFF && high >= 0xD800)
        {
            if (low < 0xD800)
            {
                Split(low, 0xD7FF, next, starts);
            }

            if (high > 0xDFFF)
            {
                Split(0xE000, high, next, starts);
            }

            return;
        }

        foreach (int last in LastOfLength)
        {
            if (low <= last && high > last)
            {
                Split(low, last, next, starts);
                Split(last + 1, high, next, starts);
                return;
            }
        }

        if (high <= 0x7F)
        {
            starts.Add(Range((byte)low, (byte)high, next));
            return;
        }

        // Where the first bytes differ, the rest must run over whole ranges.
        for (int shift = 6; shift <= 18; shift += 6)
        {
            int mask = (1 << shift) - 1;
            if ((low & ~mask) != (high & ~mask))
            {
                if ((low & mask) != 0)
                {
                    Split(low, low | mask, next, starts);
                    Split((low | mask) + 1, high, next, starts);
                    return;
                }

                if ((high & mask) != mask)
                {
                    Split(low, (high & ~mask) - 1, next, starts);
                    Split(high & ~mask, high, next, starts);
                    return;
                }
            }
        }

        byte[] first = Utf8(low), last2 = Utf8(high);
        int start = next;
        for (int i = first.Length - 1; i >= 0; i--)
        {
            start = Range(first[i], last2[i], start);
        }

        starts.Add(start);
    }

    private static byte[] Utf8(int codePoint) => System.Text.Encoding.UTF8.GetBytes(char.ConvertFromUtf32(codePoint));

    private int Add((ByteStep, int, int, byte, byte) step)
    {
        if (_steps.Count >= MostSteps)
        {
            throw new ConstraintException("The shape is too large.");
        }

        _steps.Add(step);
        return _steps.Count - 1;
    }
}
