namespace Portable.Generation;

/// <summary>Ends a text at the stop text that is complete first (of several that end together, the longest), however the pieces are cut:
/// what could be the start of a stop text is held back until it is known.</summary>
/// <param name="stops">The stop texts; none empty.</param>
internal sealed class StopTexts(IReadOnlyList<string> stops)
{
    private string _held = string.Empty;

    /// <summary>Whether a stop text was found: the text is over.</summary>
    public bool Stopped { get; private set; }

    /// <summary>Takes a piece and gives what can be shown: nothing of a stop text, and nothing behind one.</summary>
    public string Push(string piece)
    {
        if (Stopped)
        {
            return string.Empty;
        }

        string text = _held + piece;
        (int End, int Start) first = (int.MaxValue, 0);
        foreach (string stop in stops)
        {
            int start = text.IndexOf(stop, StringComparison.Ordinal);
            if (start >= 0 && (start + stop.Length).CompareTo(first.End) is int order && (order < 0 || (order == 0 && start < first.Start)))
            {
                first = (start + stop.Length, start);
            }
        }

        if (first.End < int.MaxValue)
        {
            Stopped = true;
            _held = string.Empty;
            return text[..first.Start];
        }

        int held = stops.Count == 0 ? 0 : stops.Max(stop => Overlap(text, stop));
        _held = text[(text.Length - held)..];
        return text[..(text.Length - held)];
    }

    /// <summary>What was held back, where the text ends by itself.</summary>
    public string Finish()
    {
        string rest = _held;
        _held = string.Empty;
        return rest;
    }

    // The longest end of the text with which the stop text begins.
    private static int Overlap(string text, string stop)
    {
        for (int length = Math.Min(text.Length, stop.Length - 1); length > 0; length--)
        {
            if (text.AsSpan(text.Length - length).SequenceEqual(stop.AsSpan(0, length)))
            {
                return length;
            }
        }

        return 0;
    }
}
