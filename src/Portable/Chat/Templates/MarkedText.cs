using System.Text;

namespace Portable.Chat.Templates;

/// <summary>A text of a template in which every UTF-16 unit knows whether it came from a message, a tool or a variable (marked) or
/// from the template itself. The marks follow the characters through every operation, so that a special token's text that
/// somebody typed can be told from one that the template wrote.</summary>
internal sealed class MarkedText
{
    public static readonly MarkedText Empty = new(string.Empty, false);

    // Null: every unit is as _all says.
    private readonly bool[]? _marks;
    private readonly bool _all;
    private int _codePoints = -1;

    public MarkedText(string value, bool marked)
    {
        Value = value;
        _all = marked;
    }

    private MarkedText(string value, bool[] marks)
    {
        Value = value;
        _marks = marks;
    }

    public string Value { get; }

    /// <summary>Length in code points, as Python counts.</summary>
    public int Length
    {
        get
        {
            if (_codePoints < 0)
            {
                int pairs = 0;
                for (int i = 1; i < Value.Length; i++)
                {
                    if (char.IsLowSurrogate(Value[i]) && char.IsHighSurrogate(Value[i - 1]))
                    {
                        pairs++;
                    }
                }
                _codePoints = Value.Length - pairs;
            }
            return _codePoints;
        }
    }

    public bool IsMarked(int unit) => _marks?[unit] ?? _all;

    public bool AnyMarked => _marks is null ? _all && Value.Length > 0 : Array.IndexOf(_marks, true) >= 0;

    public static implicit operator MarkedText(string value) => new(value, false);

    public override string ToString() => Value;

    /// <summary>The units [start, start + length).</summary>
    public MarkedText Substring(int start, int length)
    {
        if (length == 0)
        {
            return Empty;
        }
        string value = Value.Substring(start, length);
        return _marks is null ? new MarkedText(value, _all) : new MarkedText(value, _marks[start..(start + length)]);
    }

    public MarkedText Substring(int start) => Substring(start, Value.Length - start);

    /// <summary>The unit at which code point number <paramref name="codePoint"/> starts; the length in units at the end.</summary>
    public int UnitOf(int codePoint)
    {
        if (Length == Value.Length)
        {
            return codePoint;
        }
        int unit = 0;
        for (; codePoint > 0; codePoint--)
        {
            unit += unit + 1 < Value.Length && char.IsHighSurrogate(Value[unit]) && char.IsLowSurrogate(Value[unit + 1]) ? 2 : 1;
        }
        return unit;
    }

    /// <summary>The number of code points before a unit.</summary>
    public int CodePointOf(int unit)
    {
        if (unit <= 0 || Length == Value.Length)
        {
            return unit;
        }
        return Substring(0, unit).Length;
    }

    /// <summary>The text's code points, each a text of its own.</summary>
    public IEnumerable<MarkedText> CodePoints()
    {
        for (int unit = 0; unit < Value.Length;)
        {
            int length = unit + 1 < Value.Length && char.IsHighSurrogate(Value[unit]) && char.IsLowSurrogate(Value[unit + 1]) ? 2 : 1;
            yield return Substring(unit, length);
            unit += length;
        }
    }

    /// <summary>Every code point replaced by a text; a replacement carries its code point's mark.</summary>
    public MarkedText Map(Func<Rune, int, string> map)
    {
        MarkedTextBuilder builder = new();
        int index = 0, unit = 0;
        foreach (Rune rune in Value.EnumerateRunes())
        {
            builder.Append(map(rune, index++), IsMarked(unit));
            unit += rune.Utf16SequenceLength;
        }
        return builder.ToText();
    }

    public static MarkedText operator +(MarkedText left, MarkedText right)
    {
        if (left.Value.Length == 0)
        {
            return right;
        }
        return right.Value.Length == 0 ? left : new MarkedTextBuilder().Append(left).Append(right).ToText();
    }

    /// <summary>The ranges of marked units, ascending, none touching another.</summary>
    public IReadOnlyList<Range> MarkedRanges()
    {
        List<Range> ranges = [];
        for (int unit = 0; unit < Value.Length;)
        {
            int start = unit;
            bool marked = IsMarked(unit);
            if (_marks is null)
            {
                unit = Value.Length;
            }
            else
            {
                while (unit < Value.Length && _marks[unit] == marked)
                {
                    unit++;
                }
            }
            if (marked)
            {
                ranges.Add(start..unit);
            }
        }
        return ranges;
    }

    internal static MarkedText Of(string value, bool[]? marks, bool all) => marks is null ? new MarkedText(value, all) : new MarkedText(value, marks);

    internal void CopyMarks(Span<bool> destination)
    {
        if (_marks is null)
        {
            destination.Fill(_all);
        }
        else
        {
            _marks.CopyTo(destination);
        }
    }

    /// <summary>Whether all units have the same mark, and which.</summary>
    internal bool Uniform(out bool marked)
    {
        marked = _all;
        return _marks is null;
    }
}
