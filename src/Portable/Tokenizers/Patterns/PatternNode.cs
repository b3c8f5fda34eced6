using Portable.Tokenizers.Unicode;

namespace Portable.Tokenizers.Patterns;

/// <summary>What a pattern is made of.</summary>
internal abstract record PatternNode
{
    /// <summary>One character of a set.</summary>
    public sealed record Characters(CodePointSet Set) : PatternNode;

    /// <summary>One after another; of none, the empty text.</summary>
    public sealed record Sequence(IReadOnlyList<PatternNode> Parts) : PatternNode;

    /// <summary>The first that leads to a match.</summary>
    public sealed record Choice(IReadOnlyList<PatternNode> Parts) : PatternNode;

    /// <summary>From <paramref name="Least"/> to <paramref name="Most"/> times; <see cref="Unbounded"/> = no bound.</summary>
    public sealed record Repeat(PatternNode Part, int Least, int Most, bool Greedy) : PatternNode
    {
        public const int Unbounded = int.MaxValue;
    }

    /// <summary>A place between two characters where one of the pairs holds.</summary>
    public sealed record Boundary(IReadOnlyList<(Neighbor Left, Neighbor Right)> Pairs) : PatternNode;

    /// <summary>A place where a pattern matches onwards (<paramref name="Ahead"/>) or up to here; or where it does not.</summary>
    public sealed record Look(PatternNode Part, bool Ahead, bool Negative) : PatternNode;

    /// <summary>The empty text.</summary>
    public static PatternNode Empty { get; } = new Sequence([]);
}

/// <summary>What may stand beside a boundary: a character of the set, or the edge of the text.</summary>
internal readonly record struct Neighbor(CodePointSet Set, bool Edge)
{
    public static Neighbor Anything { get; } = new(CodePointSet.All, true);

    public Neighbor Complement() => new(Set.Complement(), !Edge);
}
