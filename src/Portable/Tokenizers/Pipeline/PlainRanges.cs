namespace Portable.Tokenizers.Pipeline;

/// <summary>The characters of a text that are plain: no special token is taken from them.</summary>
internal readonly struct PlainRanges
{
    private readonly (int Start, int End)[]? _ranges;

    /// <summary>Takes ranges of a text of <paramref name="length"/> UTF-16 units.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A range is not in the text.</exception>
    public PlainRanges(ReadOnlySpan<Range> ranges, int length)
    {
        _ranges = new (int, int)[ranges.Length];
        for (int i = 0; i < ranges.Length; i++)
        {
            (int start, int count) = ranges[i].GetOffsetAndLength(length);
            _ranges[i] = (start, start + count);
        }

        // Disjoint and ascending, so that one look decides.
        Array.Sort(_ranges);
        List<(int Start, int End)> merged = [];
        foreach ((int start, int end) in _ranges.Where(r => r.Start < r.End))
        {
            if (merged.Count > 0 && merged[^1].End >= start)
            {
                merged[^1] = (merged[^1].Start, Math.Max(merged[^1].End, end));
            }
            else
            {
                merged.Add((start, end));
            }
        }

        _ranges = [.. merged];
    }

    public bool IsEmpty => _ranges is null or [];

    /// <summary>Whether a character from <paramref name="start"/> to before <paramref name="end"/> is plain.</summary>
    public bool Touch(int start, int end)
    {
        if (_ranges is null)
        {
            return false;
        }

        int at = Array.BinarySearch(_ranges, (end, int.MinValue)), last = (at < 0 ? ~at : at) - 1;
        return last >= 0 && _ranges[last].End > start;
    }
}
