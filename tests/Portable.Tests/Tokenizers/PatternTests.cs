using FsCheck.Xunit;
using Portable.Tokenizers.Patterns;

namespace Portable.Tests.Tokenizers;

/// <summary>The matcher against a naive one that tries every way, and what Oniguruma 6.9.10 answers.</summary>
public sealed class PatternTests
{
    private static readonly string[] Texts = ["a", "b", "é", "1", " ", "\n", "\U00010400", "A"];

    [Property(MaxTest = 2000)]
    public void Matches_are_those_of_a_naive_backtracking_matcher(int seed)
    {
        Random random = new(seed);
        Node node = Make(random, 3);
        string text = string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => Texts[random.Next(Texts.Length)]));
        Pattern pattern;
        try
        {
            pattern = new Pattern(node.Text);
        }
        catch (FormatException e) when (e.Message.Contains("lookarounds", StringComparison.Ordinal))
        {
            return;
        }

        Assert.True(Naive(node, text).SequenceEqual(pattern.Matches(text)), $"/{node.Text}/ on '{text}' (seed {seed}): {string.Join(' ', pattern.Matches(text))}, not {string.Join(' ', Naive(node, text))}");
    }

    [Theory]
    [InlineData(@"\w+", "½x", "0-2")]
    [InlineData(@"[\w]+", "½x", "1-2")]
    [InlineData(@"(?i:k)", "kK\u212A", "0-1 1-2 2-3")]
    [InlineData(@"(?i:[^s])", "sS\u017Fa", "3-4")]
    [InlineData(@"'(?i:[sdmt])", "'\u017F", "0-2")]
    [InlineData(@"\p{L}", "\U00010400", "0-2")]
    [InlineData(@"(?=(\d{3})+(?!\d))", "1234567", "1-1 4-4")]
    [InlineData(@"^.", "a\nb\n", "0-1 2-3")]
    [InlineData(@"$", "a\n", "1-1 2-2")]
    [InlineData(@"\h+", "fog", "0-1")]
    [InlineData(@"x{2}+", "xxxxx", "0-4")]
    [InlineData(@"x{,2}y", "xxxy", "1-4")]
    [InlineData(@"[\p{L}&&[^a-z]]+", "abCDé", "2-5")]
    [InlineData(@"\s+(?!\S)|\s+", "a   b", "1-3 3-4")]
    [InlineData(@"[^\r\n\p{L}]?+\p{L}+", " ab", "0-3")]
    [InlineData(@"[]a]+", "a]b", "0-2")]
    public void Matches_are_those_of_the_library(string pattern, string text, string expected) =>
        Assert.Equal(expected, string.Join(' ', new Pattern(pattern).Matches(text).Select(m => $"{m.Start}-{m.End}")));

    [Theory]
    [InlineData(@"(a)\1", @"\1")]
    [InlineData(@"\R", @"\R")]
    [InlineData(@"\p{Klingon}", @"\p{Klingon}")]
    [InlineData(@"(?>a|b)", "atomic")]
    [InlineData(@"(?:ab)++", "possessive")]
    [InlineData(@"(?i:ss)", "'ss'")]
    [InlineData(@"(a", "without an end")]
    [InlineData(@"a)", "unmatched")]
    [InlineData(@"*", "'*'")]
    [InlineData(@"[[:alpha:]]", "[:alpha:]")]
    public void What_is_not_known_is_refused_by_name(string pattern, string named) =>
        Assert.Contains(named, Assert.Throws<FormatException>(() => new Pattern(pattern)).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(@"[a-z]+!", 'a')]
    [InlineData(@"\s*[\r\n]+|\s+(?!\S)|\s+", ' ')]
    [InlineData(@"(?=(\d{3})+(?!\d))", '7')]
    [InlineData(@"(?:a|a)*b", 'a')]
    public void A_million_equal_characters_are_matched(string pattern, char c) => Assert.NotNull(new Pattern(pattern).Matches(new string(c, 1_000_000)));

    private static Node Make(Random random, int depth)
    {
        int kind = random.Next(depth == 0 ? 4 : 11);
        Node Inner() => Make(random, depth - 1);
        switch (kind)
        {
            case 0: return new Set("a", c => c == 'a');
            case 1: return new Set(@"\p{L}", c => c is 'a' or 'b' or 'é' or 'A' or 0x10400);
            case 2: return new Set(@"\s", c => c is ' ' or '\n');
            case 3: return new Set("[^a1]", c => c is not ('a' or '1'));
            case 4 or 5: return new Both(Inner(), Inner());
            case 6: return new Either(Inner(), Inner());
            case 7 or 8:
                int least = random.Next(2), most = random.Next(3) == 0 ? least + random.Next(2) : int.MaxValue;
                // What is repeated is never empty: there engines differ.
                return new Many(new Set("[ab]", c => c is 'a' or 'b'), least, most, random.Next(3) > 0);
            case 9: return new Look(Inner(), random.Next(2) == 0);
            default: return random.Next(2) == 0 ? new Place(@"\b", (t, i) => Word(t, i - 1) != Word(t, i)) : new Place(@"\z", (t, i) => i == t.Length);
        }
    }

    private static bool Word(int[] text, int at) => at >= 0 && at < text.Length && text[at] is 'a' or 'b' or 'é' or 'A' or 0x10400 or '1';

    private static List<(int, int)> Naive(Node node, string text)
    {
        int[] characters = [.. text.EnumerateRunes().Select(r => r.Value)];
        int[] units = new int[characters.Length + 1];
        for (int i = 0; i < characters.Length; i++)
        {
            units[i + 1] = units[i] + (characters[i] > 0xFFFF ? 2 : 1);
        }

        List<(int, int)> matches = [];
        for (int start = 0, last = -1; start <= characters.Length;)
        {
            int end = node.Ends(characters, start).FirstOrDefault(-1);
            if (end < 0 || (end == start && last == start))
            {
                start++;
                continue;
            }

            matches.Add((units[start], units[end]));
            start = last = end;
        }

        return matches;
    }

    /// <summary>A pattern as its text, and every end of a match from a place, the preferred one first.</summary>
    private abstract record Node(string Text)
    {
        public abstract IEnumerable<int> Ends(int[] text, int start);
    }

    private sealed record Set(string Text, Func<int, bool> Has) : Node(Text)
    {
        public override IEnumerable<int> Ends(int[] text, int start) => start < text.Length && Has(text[start]) ? [start + 1] : [];
    }

    private sealed record Place(string Text, Func<int[], int, bool> Holds) : Node(Text)
    {
        public override IEnumerable<int> Ends(int[] text, int start) => Holds(text, start) ? [start] : [];
    }

    private sealed record Both(Node First, Node Second) : Node($"(?:{First.Text})(?:{Second.Text})")
    {
        public override IEnumerable<int> Ends(int[] text, int start) => First.Ends(text, start).SelectMany(end => Second.Ends(text, end));
    }

    private sealed record Either(Node First, Node Second) : Node($"(?:{First.Text}|{Second.Text})")
    {
        public override IEnumerable<int> Ends(int[] text, int start) => First.Ends(text, start).Concat(Second.Ends(text, start));
    }

    private sealed record Look(Node Inner, bool Negative) : Node($"(?{(Negative ? '!' : '=')}{Inner.Text})")
    {
        public override IEnumerable<int> Ends(int[] text, int start) => Inner.Ends(text, start).Any() != Negative ? [start] : [];
    }

    private sealed record Many(Node Part, int Least, int Most, bool Greedy) : Node($"{Part.Text}{(Most == int.MaxValue ? $"{{{Least},}}" : $"{{{Least},{Most + 1}}}")}{(Greedy ? "" : "?")}")
    {
        public override IEnumerable<int> Ends(int[] text, int start)
        {
            List<int> ends = [start];
            int most = Most == int.MaxValue ? Most : Most + 1;
            while (ends.Count - 1 < most && Part.Ends(text, ends[^1]).ToArray() is [var next])
            {
                ends.Add(next);
            }

            IEnumerable<int> enough = ends.Skip(Least);
            return Greedy ? enough.Reverse() : enough;
        }
    }
}
