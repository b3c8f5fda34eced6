using System.Globalization;
using System.Numerics;

namespace Portable.Chat.Templates;

/// <summary>What Python's operators do with a template's values: truth, equality, order, arithmetic, membership, items.</summary>
internal static class Python
{
    private const int MaximumBits = 1 << 14;

    public static string TypeName(object? value) => value switch
    {
        null => "NoneType",
        bool => "bool",
        BigInteger => "int",
        double => "float",
        MarkedText => "str",
        Sequence { Kind: SequenceKind.List } => "list",
        Sequence { Kind: SequenceKind.Tuple } => "tuple",
        Sequence { Kind: SequenceKind.Range } => "range",
        Sequence { Kind: SequenceKind.Generator } => "generator",
        Sequence => "dict view",
        Mapping => "dict",
        Undefined => "Undefined",
        Namespace => "Namespace",
        Callable => "function",
        _ => value.GetType().Name,
    };

    public static bool IsTrue(object? value) => value switch
    {
        null or Undefined => false,
        bool flag => flag,
        BigInteger number => !number.IsZero,
        double number => number != 0,
        MarkedText text => text.Value.Length > 0,
        Sequence { Kind: SequenceKind.Generator } => true,
        Sequence sequence => sequence.Items.Count > 0,
        Mapping mapping => mapping.Count > 0,
        _ => true,
    };

    /// <summary>bool is an int, as in Python; null for anything but integers.</summary>
    public static BigInteger? Integer(object? value) => value switch
    {
        BigInteger number => number,
        bool flag => flag ? BigInteger.One : BigInteger.Zero,
        _ => null,
    };

    public static double? Number(object? value) => value is double number ? number : Integer(value) is BigInteger integer ? (double)integer : null;

    public static new bool Equals(object? left, object? right)
    {
        RenderBudget.EnsureStack();
        if (Integer(left) is BigInteger a && Integer(right) is BigInteger b)
        {
            return a == b;
        }
        if (Number(left) is double x && Number(right) is double y)
        {
            return x == y;
        }
        return (left, right) switch
        {
            (null, null) or (Undefined, Undefined) => true,
            (MarkedText s, MarkedText t) => s.Value == t.Value,
            (Sequence s, Sequence t) => ReferenceEquals(s, t) || (s.Kind == t.Kind && s.Kind < SequenceKind.View && s.Items.Count == t.Items.Count && s.Items.Zip(t.Items).All(p => Equals(p.First, p.Second))),
            (Mapping s, Mapping t) => s.Count == t.Count && s.Items.All(i => t.TryGet(i.Key, out object? other) && Equals(i.Value, other)),
            _ => ReferenceEquals(left, right),
        };
    }

    /// <summary>Negative, 0, positive, as in Python's order; what has none is an error.</summary>
    public static int Compare(object? left, object? right, string op = "<")
    {
        RenderBudget.EnsureStack();
        Require(left, right);
        if (Integer(left) is BigInteger a && Integer(right) is BigInteger b)
        {
            return a.CompareTo(b);
        }
        if (Number(left) is double x && Number(right) is double y)
        {
            return x.CompareTo(y);
        }
        if (left is MarkedText s && right is MarkedText t)
        {
            return CompareCodePoints(s.Value, t.Value);
        }
        if (left is Sequence m && right is Sequence n && m.Kind == n.Kind && m.Kind <= SequenceKind.Tuple)
        {
            for (int i = 0; i < Math.Min(m.Items.Count, n.Items.Count); i++)
            {
                if (!Equals(m.Items[i], n.Items[i]))
                {
                    return Compare(m.Items[i], n.Items[i], op);
                }
            }
            return m.Items.Count - n.Items.Count;
        }
        throw new TemplateException($"'{op}' is not supported between '{TypeName(left)}' and '{TypeName(right)}'");
    }

    // UTF-16 order puts surrogates below U+E000…U+FFFF; code points put them above.
    private static int CompareCodePoints(string left, string right)
    {
        for (int i = 0; i < Math.Min(left.Length, right.Length); i++)
        {
            if (left[i] != right[i])
            {
                bool a = char.IsSurrogate(left[i]), b = char.IsSurrogate(right[i]);
                return a == b ? left[i] - right[i] : a ? 1 : -1;
            }
        }
        return left.Length - right.Length;
    }

    public static bool Contains(object? container, object? item, RenderBudget budget)
    {
        switch (container)
        {
            case MarkedText text:
                return item is MarkedText part
                    ? text.Value.Contains(part.Value, StringComparison.Ordinal)
                    : throw new TemplateException($"'in <string>' requires a string on its left, not '{TypeName(item)}'");
            case Mapping mapping:
                return mapping.TryGet(item, out _);
            case Namespace or Callable or IAttributes or null or bool or BigInteger or double:
                throw new TemplateException($"argument of type '{TypeName(container)}' is not iterable");
            default:
                return Walk(container, budget).Any(other => Equals(item, other));
        }
    }

    /// <summary>The items of a value that can be walked; of a mapping its keys, of a text its code points.</summary>
    public static IReadOnlyList<object?> Walk(object? value, RenderBudget budget)
    {
        switch (value)
        {
            case Sequence sequence:
                return sequence.Walk();
            case Mapping mapping:
                return [.. mapping.Items.Select(i => i.Key)];
            case MarkedText text:
                budget.Step(text.Value.Length);
                return [.. text.CodePoints()];
            case Undefined { Forbidden: false }:
                return [];
            case Undefined undefined:
                throw undefined.Error();
            default:
                throw new TemplateException($"'{TypeName(value)}' is not iterable");
        }
    }

    public static int? Length(object? value) => value switch
    {
        MarkedText text => text.Length,
        Sequence { Kind: not SequenceKind.Generator } sequence => sequence.Items.Count,
        Mapping mapping => mapping.Count,
        Undefined => 0,
        _ => null,
    };

    public static object? Add(object? left, object? right, RenderBudget budget)
    {
        Require(left, right);
        switch (left, right)
        {
            case (MarkedText a, MarkedText b):
                budget.Characters(a.Value.Length + b.Value.Length);
                return a + b;
            case (Sequence { Kind: <= SequenceKind.Tuple } a, Sequence b) when a.Kind == b.Kind:
                budget.Step(a.Items.Count + b.Items.Count);
                return new Sequence([.. a.Items, .. b.Items], a.Kind);
            default:
                return Arithmetic("+", left, right);
        }
    }

    public static object? Multiply(object? left, object? right, RenderBudget budget)
    {
        Require(left, right);
        if (left is MarkedText or Sequence { Kind: <= SequenceKind.Tuple } && Integer(right) is BigInteger times)
        {
            return Repeat(left, times, budget);
        }
        return right is MarkedText or Sequence { Kind: <= SequenceKind.Tuple } && Integer(left) is BigInteger count ? Repeat(right, count, budget) : Arithmetic("*", left, right);
    }

    private static object? Repeat(object value, BigInteger times, RenderBudget budget)
    {
        times = BigInteger.Max(0, times);
        BigInteger size = times * (value is MarkedText t ? t.Value.Length : ((Sequence)value).Items.Count);
        budget.Characters(size > RenderBudget.MaximumCharacters ? long.MaxValue : (long)size);
        int count = size.IsZero ? 0 : (int)times;
        if (value is MarkedText text)
        {
            MarkedTextBuilder builder = new();
            for (int i = 0; i < count; i++)
            {
                builder.Append(text);
            }
            return builder.ToText();
        }
        Sequence sequence = (Sequence)value;
        budget.Step((int)size);
        return new Sequence([.. Enumerable.Repeat(sequence.Items, count).SelectMany(i => i)], sequence.Kind);
    }

    /// <summary>- * / // % ** and numeric +.</summary>
    public static object? Arithmetic(string op, object? left, object? right)
    {
        Require(left, right);
        if (Integer(left) is BigInteger a && Integer(right) is BigInteger b)
        {
            return op switch
            {
                "+" => Bounded(a + b),
                "-" => Bounded(a - b),
                "*" => Bounded(a * b),
                "/" => b.IsZero ? throw ByZero() : (double)a / (double)b,
                "//" => b.IsZero ? throw ByZero() : FloorDivide(a, b),
                "%" => b.IsZero ? throw ByZero() : a - (b * FloorDivide(a, b)),
                _ => Power(a, b),
            };
        }
        if (Number(left) is double x && Number(right) is double y)
        {
            return op switch
            {
                "+" => x + y,
                "-" => x - y,
                "*" => x * y,
                "/" => y == 0 ? throw ByZero() : x / y,
                "//" => y == 0 ? throw ByZero() : Math.Floor(x / y),
                "%" => y == 0 ? throw ByZero() : x - (y * Math.Floor(x / y)),
                _ => Math.Pow(x, y),
            };
        }
        throw new TemplateException($"'{op}' is not supported between '{TypeName(left)}' and '{TypeName(right)}'");
    }

    private static object Power(BigInteger a, BigInteger b)
    {
        if (b.Sign < 0)
        {
            return a.IsZero ? throw ByZero() : Math.Pow((double)a, (double)b);
        }
        if (BigInteger.Abs(a) > 1 && b * (a.GetBitLength() + 1) > MaximumBits)
        {
            throw new TemplateException("a number has too many digits");
        }
        return BigInteger.Pow(a, BigInteger.Abs(a) > 1 ? (int)b : b.IsZero ? 0 : b.IsEven ? 2 : 1);
    }

    private static BigInteger Bounded(BigInteger value) => value.GetBitLength() > MaximumBits ? throw new TemplateException("a number has too many digits") : value;

    private static BigInteger FloorDivide(BigInteger a, BigInteger b)
    {
        BigInteger quotient = BigInteger.DivRem(a, b, out BigInteger remainder);
        return !remainder.IsZero && remainder.Sign != b.Sign ? quotient - 1 : quotient;
    }

    private static TemplateException ByZero() => new("division by zero");

    public static object? Negate(object? value) => Integer(value) is BigInteger integer ? -integer
        : value is double number ? -number
        : throw Bad("-", value);

    public static object? Plus(object? value) => Integer(value) is BigInteger integer ? integer : value is double ? value : throw Bad("+", value);

    private static TemplateException Bad(string op, object? value) => value is Undefined undefined ? undefined.Error() : new($"'{op}' is not supported for '{TypeName(value)}'");

    /// <summary>An item by index or key; false where there is none.</summary>
    public static bool TryItem(object? target, object? key, out object? value)
    {
        value = null;
        switch (target)
        {
            case Mapping mapping:
                return key is not (Sequence { Kind: not SequenceKind.Tuple } or Mapping) && mapping.TryGet(key, out value);
            case Sequence { Kind: <= SequenceKind.Range } sequence when Integer(key) is BigInteger index:
                index = index.Sign < 0 ? index + sequence.Items.Count : index;
                bool inside = index.Sign >= 0 && index < sequence.Items.Count;
                value = inside ? sequence.Items[(int)index] : null;
                return inside;
            case MarkedText text when Integer(key) is BigInteger index:
                index = index.Sign < 0 ? index + text.Length : index;
                if (index.Sign < 0 || index >= text.Length)
                {
                    return false;
                }
                int unit = text.UnitOf((int)index);
                value = text.Substring(unit, text.UnitOf((int)index + 1) - unit);
                return true;
            default:
                return false;
        }
    }

    /// <summary>target[start:stop:step], of texts in code points.</summary>
    public static object? Slice(object? target, object? start, object? stop, object? step, RenderBudget budget)
    {
        if (target is Undefined undefined)
        {
            throw undefined.Error();
        }
        if (target is not (MarkedText or Sequence { Kind: <= SequenceKind.Range }))
        {
            throw new TemplateException($"'{TypeName(target)}' cannot be sliced");
        }
        int length = Length(target)!.Value;
        int by = Bound(step, 1, int.MinValue, int.MaxValue);
        if (by == 0)
        {
            throw new TemplateException("a slice's step is zero");
        }
        (int low, int high) = by > 0 ? (0, length) : (-1, length - 1);
        int from = SliceEnd(start, by > 0 ? low : high), to = SliceEnd(stop, by > 0 ? high : low);
        List<int> indices = [];
        for (long i = from; by > 0 ? i < to : i > to; i += by)
        {
            indices.Add((int)i);
        }
        budget.Step(indices.Count / 16);
        if (target is Sequence sequence)
        {
            return new Sequence([.. indices.Select(i => sequence.Items[i])], sequence.Kind == SequenceKind.Range ? SequenceKind.List : sequence.Kind);
        }
        MarkedText text = (MarkedText)target!;
        budget.Characters(text.Value.Length);
        if (by == 1)
        {
            int first = text.UnitOf(from);
            return indices.Count == 0 ? MarkedText.Empty : text.Substring(first, text.UnitOf(to) - first);
        }
        MarkedText[] points = [.. text.CodePoints()];
        MarkedTextBuilder builder = new();
        foreach (int i in indices)
        {
            builder.Append(points[i]);
        }
        return builder.ToText();

        int SliceEnd(object? value, int otherwise)
        {
            int end = Bound(value, otherwise, -2 * (length + 1), 2 * (length + 1));
            return value is null ? end : Math.Clamp(end < 0 ? end + length : end, low, high);
        }
    }

    private static int Bound(object? value, int otherwise, int low, int high) =>
        value is null ? otherwise
        : Integer(value) is BigInteger number ? (int)BigInteger.Max(low, BigInteger.Min(high, number))
        : throw new TemplateException("slice indices must be integers or none");

    private static void Require(object? left, object? right)
    {
        if (left is Undefined undefined)
        {
            throw undefined.Error();
        }
        if (right is Undefined other)
        {
            throw other.Error();
        }
    }

    /// <summary>A float as Python prints it.</summary>
    public static string Float(double value)
    {
        if (!double.IsFinite(value))
        {
            return double.IsNaN(value) ? "nan" : value > 0 ? "inf" : "-inf";
        }
        string shortest = value.ToString("R", CultureInfo.InvariantCulture);
        // Digits and exponent of the shortest form that reads back as the same number.
        string sign = shortest.StartsWith('-') ? "-" : string.Empty;
        string body = shortest[sign.Length..];
        int e = body.IndexOf('E', StringComparison.Ordinal);
        int exponent = e < 0 ? 0 : int.Parse(body.AsSpan(e + 1), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture);
        string mantissa = e < 0 ? body : body[..e];
        int point = mantissa.IndexOf('.', StringComparison.Ordinal);
        string digits = mantissa.Replace(".", string.Empty, StringComparison.Ordinal);
        int before = (point < 0 ? mantissa.Length : point) + exponent;
        string significant = digits.TrimStart('0');
        before -= digits.Length - significant.Length;
        significant = significant.TrimEnd('0');
        if (significant.Length == 0)
        {
            return sign + "0.0";
        }
        if (before is > -4 and <= 16)
        {
            return sign + (before <= 0 ? "0." + new string('0', -before) + significant
                : before >= significant.Length ? significant + new string('0', before - significant.Length) + ".0"
                : significant[..before] + "." + significant[before..]);
        }
        int power = before - 1;
        return sign + significant[..1] + (significant.Length > 1 ? "." + significant[1..] : string.Empty) + "e" + (power < 0 ? "-" : "+") + Math.Abs(power).ToString("00", CultureInfo.InvariantCulture);
    }
}
