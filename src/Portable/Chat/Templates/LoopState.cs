using System.Numerics;

namespace Portable.Chat.Templates;

/// <summary>The variable loop of a for block.</summary>
internal sealed class LoopState(IReadOnlyList<object?> items, int depth, Callable? recursion) : IAttributes
{
    private object? _lastChanged;
    private bool _everChanged;

    public int Index { get; set; }

    public Callable? Recursion { get; } = recursion;

    public bool TryGet(string name, out object? value)
    {
        value = name switch
        {
            "index" => (BigInteger)(Index + 1),
            "index0" => (BigInteger)Index,
            "revindex" => (BigInteger)(items.Count - Index),
            "revindex0" => (BigInteger)(items.Count - Index - 1),
            "first" => Index == 0,
            "last" => Index == items.Count - 1,
            "length" => (BigInteger)items.Count,
            "depth" => (BigInteger)(depth + 1),
            "depth0" => (BigInteger)depth,
            "previtem" => Index > 0 ? items[Index - 1] : new Undefined("there is no previous item"),
            "nextitem" => Index < items.Count - 1 ? items[Index + 1] : new Undefined("there is no next item"),
            "cycle" => new Callable("cycle", a => a.Positional.Count > 0 ? a.Positional[Index % a.Positional.Count] : throw new TemplateException("no items for cycling given")),
            "changed" => new Callable("changed", Changed),
            _ => this,
        };
        return value != this;
    }

    private object? Changed(Arguments arguments)
    {
        Sequence now = new(arguments.Positional, SequenceKind.Tuple);
        bool changed = !_everChanged || !Python.Equals(now, _lastChanged);
        _everChanged = true;
        _lastChanged = now;
        return changed;
    }
}
