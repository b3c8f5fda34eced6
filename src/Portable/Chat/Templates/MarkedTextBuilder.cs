using System.Text;

namespace Portable.Chat.Templates;

/// <summary>Joins texts and keeps their marks; as long as all parts have the same mark, no mark is stored per unit.</summary>
internal sealed class MarkedTextBuilder
{
    private readonly StringBuilder _value = new();
    private bool[]? _marks;
    private bool _all;

    public int Length => _value.Length;

    public MarkedTextBuilder Append(string text, bool marked)
    {
        if (text.Length > 0)
        {
            Reserve(text.Length, marked).Fill(marked);
            _value.Append(text);
        }
        return this;
    }

    public MarkedTextBuilder Append(MarkedText text)
    {
        if (text.Uniform(out bool marked))
        {
            return Append(text.Value, marked);
        }
        _marks ??= Spread();
        text.CopyMarks(Reserve(text.Value.Length, false));
        _value.Append(text.Value);
        return this;
    }

    public MarkedText ToText() => _value.Length == 0
        ? MarkedText.Empty
        : MarkedText.Of(_value.ToString(), _marks?[.._value.Length], _all);

    // The marks of the next units; empty where the builder's units all have one mark and these have it, too.
    private Span<bool> Reserve(int length, bool marked)
    {
        if (_marks is null)
        {
            if (_value.Length == 0)
            {
                _all = marked;
            }
            if (_all == marked)
            {
                return [];
            }
            _marks = Spread();
        }
        int needed = _value.Length + length;
        if (_marks.Length < needed)
        {
            Array.Resize(ref _marks, Math.Max(needed, 2 * _marks.Length));
        }
        return _marks.AsSpan(_value.Length, length);
    }

    private bool[] Spread()
    {
        bool[] marks = new bool[Math.Max(16, 2 * _value.Length)];
        marks.AsSpan(0, _value.Length).Fill(_all);
        return marks;
    }
}
