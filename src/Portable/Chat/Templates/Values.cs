using System.Numerics;

namespace Portable.Chat.Templates;

// A template's values are: null (none), bool, BigInteger, double, MarkedText, and the types below.

/// <summary>What a name, attribute or item that does not exist evaluates to: prints as nothing, is false and empty, and fails where
/// it is used for more.</summary>
internal sealed class Undefined(string message, bool forbidden = false)
{
    /// <summary>Whether it stands for something that exists but that a template may not reach.</summary>
    public bool Forbidden { get; } = forbidden;

    public TemplateException Error() => new(message);
}

internal enum SequenceKind
{
    List,
    Tuple,
    Range,

    /// <summary>keys(), values(), items(): can be walked and counted, not indexed.</summary>
    View,

    /// <summary>What a lazy filter gives: can be walked, once.</summary>
    Generator,
}

/// <summary>A value made of values. A template can put one list into another again and again and so name a tree of 2^60 leaves, or one
/// that is 10^5 levels deep: both are refused where they are made, so that whoever walks a value need not count.</summary>
internal abstract class Composite
{
    private const int MaximumLevels = 100;

    /// <summary>Values in the tree, this one included.</summary>
    public long Size { get; private set; } = 1;

    public int Levels { get; private set; } = 1;

    protected void Hold(object? part)
    {
        Size += part is Composite inner ? inner.Size : 1;
        Levels = Math.Max(Levels, 1 + ((part as Composite)?.Levels ?? 0));
        if (Levels > MaximumLevels || Size > RenderBudget.MaximumSteps)
        {
            throw new TemplateException("the template makes a value that is nested too deeply or too large");
        }
    }
}

/// <summary>Items in order.</summary>
internal sealed class Sequence : Composite
{
    private bool _walked;

    public Sequence(IReadOnlyList<object?> items, SequenceKind kind = SequenceKind.List)
    {
        Items = items;
        Kind = kind;
        foreach (object? item in items)
        {
            Hold(item);
        }
    }

    public SequenceKind Kind { get; }

    public IReadOnlyList<object?> Items { get; }

    /// <summary>How it prints, of ranges and views.</summary>
    public string? Label { get; init; }

    /// <summary>Names of the items, of what groupby gives.</summary>
    public IReadOnlyList<string> Fields { get; init; } = [];

    /// <summary>The items to walk; of a generator walked before: none.</summary>
    public IReadOnlyList<object?> Walk()
    {
        bool exhausted = _walked && Kind == SequenceKind.Generator;
        _walked = true;
        return exhausted ? [] : Items;
    }
}

/// <summary>Keys and values in the order of insertion; keys are equal as in Python: 1, 1.0 and true are one key.</summary>
internal sealed class Mapping : Composite
{
    private readonly List<KeyValuePair<object?, object?>> _items = [];
    private readonly Dictionary<object, int> _index = new(KeyComparer.Instance);

    public int Count => _items.Count;

    public IReadOnlyList<KeyValuePair<object?, object?>> Items => _items;

    public void Set(object? key, object? value)
    {
        object normalized = Normalize(key);
        Hold(key);
        Hold(value);
        if (_index.TryGetValue(normalized, out int at))
        {
            _items[at] = new(_items[at].Key, value);
        }
        else
        {
            _index.Add(normalized, _items.Count);
            _items.Add(new(key, value));
        }
    }

    public bool TryGet(object? key, out object? value)
    {
        bool found = _index.TryGetValue(Normalize(key), out int at);
        value = found ? _items[at].Value : null;
        return found;
    }

    private static readonly object NoneKey = new();

    private static object Normalize(object? key) => key switch
    {
        null => NoneKey,
        MarkedText text => text.Value,
        bool flag => flag ? BigInteger.One : BigInteger.Zero,
        BigInteger => key,
        double number when double.IsInteger(number) => new BigInteger(number),
        double => key,
        Sequence { Kind: SequenceKind.Tuple } tuple => new TupleKey([.. tuple.Items.Select(Normalize)]),
        Sequence or Mapping => throw new TemplateException($"unhashable type: '{Python.TypeName(key)}'"),
        _ => key,
    };

    private sealed class TupleKey(object[] parts)
    {
        public bool Same(TupleKey other) => parts.SequenceEqual(other.Parts, KeyComparer.Instance);

        public object[] Parts => parts;
    }

    private sealed class KeyComparer : IEqualityComparer<object>
    {
        public static readonly KeyComparer Instance = new();

        bool IEqualityComparer<object>.Equals(object? x, object? y) => x is TupleKey a && y is TupleKey b ? a.Same(b) : Equals(x, y);

        public int GetHashCode(object key) => key is TupleKey tuple
            ? tuple.Parts.Aggregate(17, (hash, part) => (31 * hash) + GetHashCode(part))
            : key.GetHashCode();
    }
}

/// <summary>namespace(…): the one value whose attributes a template may set.</summary>
internal sealed class Namespace
{
    public Mapping Values { get; } = new();
}

/// <summary>Something that a template can call.</summary>
internal sealed class Callable(string name, Func<Arguments, object?> body)
{
    public string Name { get; } = name;

    public object? Invoke(Arguments arguments) => body(arguments);
}

/// <summary>A value with attributes of its own: loop, cycler, joiner.</summary>
internal interface IAttributes
{
    bool TryGet(string name, out object? value);
}
