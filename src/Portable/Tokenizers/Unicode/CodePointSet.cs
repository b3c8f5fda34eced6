namespace Portable.Tokenizers.Unicode;

/// <summary>A set of Unicode code points (0 … 0x10FFFF) as sorted, disjoint, non-adjacent ranges.</summary>
internal sealed class CodePointSet
{
    public const int Last = 0x10FFFF;

    private readonly int[] _bounds;

    // Even entries are first code points, odd ones the code points behind the last.
    private CodePointSet(int[] bounds) => _bounds = bounds;

    public static CodePointSet None { get; } = new([]);

    public static CodePointSet All { get; } = new([0, Last + 1]);

    public bool IsEmpty => _bounds.Length == 0;

    /// <summary>The code points at which membership changes, ascending: first of a range, then the one behind its last.</summary>
    public ReadOnlySpan<int> Bounds => _bounds;

    public static CodePointSet Of(int codePoint) => Range(codePoint, codePoint);

    public static CodePointSet Of(params ReadOnlySpan<int> codePoints)
    {
        CodePointSet set = None;
        foreach (int c in codePoints)
        {
            set = set.Union(Of(c));
        }

        return set;
    }

    /// <summary>All from <paramref name="first"/> to <paramref name="last"/>, both included.</summary>
    public static CodePointSet Range(int first, int last) => new([first, last + 1]);

    /// <summary>Ranges given as first, last, first, last, … in any order.</summary>
    public static CodePointSet Ranges(params ReadOnlySpan<int> firstAndLast)
    {
        CodePointSet set = None;
        for (int i = 0; i < firstAndLast.Length; i += 2)
        {
            set = set.Union(Range(firstAndLast[i], firstAndLast[i + 1]));
        }

        return set;
    }

    /// <summary>Ranges given as first, last, first, last, …: ascending, disjoint and not adjacent.</summary>
    public static CodePointSet Sorted(int[] firstAndLast) => new([.. firstAndLast.Select((c, i) => c + (i % 2))]);

    public bool Contains(int codePoint)
    {
        int at = Array.BinarySearch(_bounds, codePoint);
        return (at >= 0 ? at + 1 : ~at) % 2 == 1;
    }

    public CodePointSet Complement() =>
        _bounds is [0, ..]
            ? new(_bounds[^1] == Last + 1 ? _bounds[1..^1] : [.. _bounds[1..], Last + 1])
            : new(_bounds is [.., Last + 1] ? [0, .. _bounds[..^1]] : [0, .. _bounds, Last + 1]);

    public CodePointSet Union(CodePointSet other) => Merge(other, (a, b) => a || b);

    public CodePointSet Intersect(CodePointSet other) => Merge(other, (a, b) => a && b);

    public CodePointSet Except(CodePointSet other) => Merge(other, (a, b) => a && !b);

    private CodePointSet Merge(CodePointSet other, Func<bool, bool, bool> keep)
    {
        List<int> bounds = new(_bounds.Length + other._bounds.Length);
        int i = 0, j = 0;
        while (i < _bounds.Length || j < other._bounds.Length)
        {
            int c = Math.Min(i < _bounds.Length ? _bounds[i] : int.MaxValue, j < other._bounds.Length ? other._bounds[j] : int.MaxValue);
            i += i < _bounds.Length && _bounds[i] == c ? 1 : 0;
            j += j < other._bounds.Length && other._bounds[j] == c ? 1 : 0;
            if (keep(i % 2 == 1, j % 2 == 1) != (bounds.Count % 2 == 1))
            {
                bounds.Add(c);
            }
        }

        return new([.. bounds]);
    }
}
