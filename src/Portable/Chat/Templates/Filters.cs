using System.Globalization;
using System.Numerics;
using System.Text;

namespace Portable.Chat.Templates;

/// <summary>The filters of jinja2 that chat templates use, and tojson as transformers defines it.</summary>
internal sealed class Filters(RenderBudget budget, Func<string, object?, Arguments, bool> test, Func<object?, object?, object?> item)
{
    public bool Exists(string name) => Find(name) is not null;

    public object? Apply(string name, object? value, Arguments arguments)
    {
        Func<object?, Arguments, object?> filter = Find(name) ?? throw new TemplateException($"no filter named '{name}'");
        object? result = filter(value, arguments);
        if (name is not ("map" or "select" or "reject" or "selectattr" or "rejectattr" or "format"))
        {
            arguments.Done();
        }
        return result;
    }

    private Func<object?, Arguments, object?>? Find(string name) => name switch
    {
        "abs" => (v, _) => Python.Integer(v) is BigInteger i ? BigInteger.Abs(i) : v is double d ? Math.Abs(d) : throw Unfit("abs", v),
        "attr" => (v, a) => item(v, a.Next("name")),
        "batch" => Batch,
        "capitalize" => (v, _) => TextMethods.Capitalize(Text(v)),
        "center" => (v, a) => Center(Text(v), a.NextInteger("width", 80)),
        "count" or "length" => (v, _) => (BigInteger)(Python.Length(v) ?? throw new TemplateException($"object of type '{Python.TypeName(v)}' has no length")),
        "d" or "default" => (v, a) => Default(v, a.Next("default_value", MarkedText.Empty), a.NextFlag("boolean")),
        "dictsort" => DictionarySort,
        "e" or "escape" or "forceescape" => (v, _) => Escape(Text(v)),
        "filesizeformat" => (v, a) => FileSize(Python.Number(v) ?? throw Unfit("filesizeformat", v), a.NextFlag("binary")),
        "first" => (v, _) => Walk(v) is { Count: > 0 } items ? items[0] : new Undefined("No first item, sequence was empty."),
        "last" => (v, _) => Walk(v) is { Count: > 0 } items ? items[^1] : new Undefined("No last item, sequence was empty."),
        "random" => (_, _) => throw new TemplateException("the filter random is not supported: a template must give the same text every time"),
        "float" => (v, a) => Float(v, a.Next("default", 0.0)),
        "format" => (v, a) => Format(Text(v), a),
        "groupby" => GroupBy,
        "indent" => (v, a) => Indent(Whole("indent", v), a.Next("width", (BigInteger)4), a.NextFlag("first"), a.NextFlag("blank")),
        "int" => (v, a) => Int(v, a.Next("default", BigInteger.Zero), a.NextInteger("base", 10)),
        "items" => (v, _) => v is Undefined ? new Sequence([], SequenceKind.Generator) : v is Mapping m ? Pairs(m, SequenceKind.Generator) : throw new TemplateException("Can only get item pairs from a mapping."),
        "join" => (v, a) => Join(v, a),
        "list" => (v, _) => new Sequence([.. Walk(v)]),
        "lower" => (v, _) => TextMethods.Lower(Text(v)),
        "map" => Map,
        "max" => (v, a) => Extreme(v, a, 1),
        "min" => (v, a) => Extreme(v, a, -1),
        "pprint" => (v, _) => Printing.Representation(v, budget),
        "select" => (v, a) => Select(v, a, true, false),
        "reject" => (v, a) => Select(v, a, false, false),
        "selectattr" => (v, a) => Select(v, a, true, true),
        "rejectattr" => (v, a) => Select(v, a, false, true),
        "replace" => (v, a) => TextMethods.Replace(Text(v), Text(a.Next("old")), Text(a.Next("new")), a.Next("count", null) is BigInteger n ? (int)BigInteger.Min(n, int.MaxValue) : -1, budget),
        "reverse" => Reverse,
        "round" => Round,
        "safe" => (v, _) => Text(v),
        "slice" => SliceColumns,
        "sort" => Sort,
        "string" => (v, _) => Text(v),
        "striptags" => (v, _) => StripTags(Text(v)),
        "sum" => Sum,
        "title" => (v, _) => Title(Text(v)),
        "tojson" => ToJson,
        "trim" => (v, a) => TextMethods.Strip(Text(v), a.Next("chars", null) is MarkedText set ? set.Value : null, true, true),
        "truncate" => (v, a) => v is Undefined ? v : Truncate(Whole("truncate", v), a.NextInteger("length", 255), a.NextFlag("killwords"), a.NextText("end", "..."), a.Next("leeway", null) is BigInteger n ? (int)n : 5),
        "unique" => Unique,
        "upper" => (v, _) => TextMethods.Upper(Text(v)),
        "urlencode" => (v, _) => UrlEncode(Text(v)),
        "wordcount" => (v, _) => (BigInteger)Words(Text(v).Value),
        _ => null,
    };

    private static TemplateException Unfit(string filter, object? value) => value is Undefined undefined ? undefined.Error() : new($"{filter} does not take '{Python.TypeName(value)}'");

    private MarkedText Text(object? value)
    {
        MarkedText text = Printing.Text(value, budget);
        budget.Characters(text.Value.Length);
        return text;
    }

    private static MarkedText Whole(string filter, object? value) => value as MarkedText ?? throw Unfit(filter, value);

    // Of what is false, map and select give nothing, whatever it is.
    private IReadOnlyList<object?> WalkTrue(object? value) => Python.IsTrue(value) ? Walk(value) : [];

    private IReadOnlyList<object?> Walk(object? value)
    {
        IReadOnlyList<object?> items = Python.Walk(value, budget);
        budget.Step(items.Count);
        return items;
    }

    private Sequence Batch(object? value, Arguments arguments)
    {
        int size = arguments.NextInteger("linecount");
        object? fill = arguments.Next("fill_with", null);
        if (size < 1 || size > RenderBudget.MaximumSteps)
        {
            throw new TemplateException("batch: a line count that is not positive or too large");
        }
        List<object?> batches = [];
        foreach (object?[] chunk in Walk(value).Chunk(size))
        {
            int missing = fill is null ? 0 : size - chunk.Length;
            budget.Step(missing);
            batches.Add(new Sequence([.. chunk, .. Enumerable.Repeat(fill, missing)]));
        }
        return new Sequence(batches, SequenceKind.Generator);
    }

    private MarkedText Center(MarkedText text, int width) => TextMethods.Pad(text, Math.Max(0, width - text.Length), " ", 2, budget);

    private static object? Default(object? value, object? otherwise, bool boolean) => value is Undefined || (boolean && !Python.IsTrue(value)) ? otherwise : value;

    private object? Folded(object? value, bool caseSensitive) => !caseSensitive && value is MarkedText text ? TextMethods.Lower(text) : value;

    private Sequence DictionarySort(object? value, Arguments arguments)
    {
        bool caseSensitive = arguments.NextFlag("case_sensitive"), reverse = false;
        string by = arguments.NextText("by", "key").Value;
        reverse = arguments.NextFlag("reverse");
        if (by is not ("key" or "value"))
        {
            throw new TemplateException("dictsort: by is 'key' or 'value'");
        }
        Mapping mapping = value as Mapping ?? throw Unfit("dictsort", value);
        budget.Step(mapping.Count);
        return new Sequence(Sorted(Pairs(mapping, SequenceKind.List).Items, pair => Folded(((Sequence)pair!).Items[by == "key" ? 0 : 1], caseSensitive), reverse));
    }

    private static Sequence Pairs(Mapping mapping, SequenceKind kind) =>
        new([.. mapping.Items.Select(i => new Sequence([i.Key, i.Value], SequenceKind.Tuple))], kind);

    // Stable, and stable in reverse, as Python's sorted is.
    private List<object?> Sorted(IReadOnlyList<object?> items, Func<object?, object?> key, bool reverse)
    {
        Comparer<object?> order = Comparer<object?>.Create((a, b) =>
        {
            budget.Step();
            return reverse ? Python.Compare(b, a) : Python.Compare(a, b);
        });
        (object? Key, object? Item)[] keyed = [.. items.Select(i => (key(i), i))];
        // A single item is never compared, and an unordered pair must fail even where LINQ would not look at it.
        try
        {
            return [.. keyed.OrderBy(k => k.Key, order).Select(k => k.Item)];
        }
        catch (InvalidOperationException failure) when (failure.InnerException is TemplateException inner)
        {
            throw new TemplateException(inner.Message, 0, inner);
        }
    }

    private static MarkedText Escape(MarkedText text) => text.Map((rune, _) => rune.Value switch
    {
        '&' => "&amp;",
        '<' => "&lt;",
        '>' => "&gt;",
        '"' => "&#34;",
        '\'' => "&#39;",
        _ => rune.ToString(),
    });

    private static MarkedText FileSize(double bytes, bool binary)
    {
        double unit = binary ? 1024 : 1000;
        string[] prefixes = binary ? ["KiB", "MiB", "GiB", "TiB", "PiB", "EiB", "ZiB", "YiB"] : ["kB", "MB", "GB", "TB", "PB", "EB", "ZB", "YB"];
        if (bytes == 1)
        {
            return new("1 Byte", true);
        }
        if (bytes < unit)
        {
            return new(((int)bytes).ToString(CultureInfo.InvariantCulture) + " Bytes", true);
        }
        int power = 0;
        double scaled = bytes / unit;
        while (scaled >= unit && power < prefixes.Length - 1)
        {
            scaled /= unit;
            power++;
        }
        return new(scaled.ToString("F1", CultureInfo.InvariantCulture) + " " + prefixes[power], true);
    }

    private static object? Float(object? value, object? otherwise) => value is Undefined undefined ? throw undefined.Error() : Python.Number(value)
        ?? (value is MarkedText text && double.TryParse(text.Value.Trim(), NumberStyles.Float, CultureInfo.InvariantCulture, out double parsed) ? parsed : otherwise);

    private static object? Int(object? value, object? otherwise, int radix)
    {
        switch (value)
        {
            case Undefined undefined:
                throw undefined.Error();
            case bool or BigInteger:
                return Python.Integer(value);
            case double number:
                return double.IsFinite(number) ? new BigInteger(Math.Truncate(number)) : otherwise;
            case MarkedText { Value.Length: < 1000 } text:
                string trimmed = text.Value.Trim();
                if (radix == 10 && BigInteger.TryParse(trimmed.Replace("_", string.Empty, StringComparison.Ordinal), NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out BigInteger parsed))
                {
                    return parsed;
                }
                if (radix is 2 or 8 or 16 && ParseRadix(trimmed, radix) is BigInteger other)
                {
                    return other;
                }
                return double.TryParse(trimmed, NumberStyles.Float, CultureInfo.InvariantCulture, out double real) && double.IsFinite(real) ? new BigInteger(Math.Truncate(real)) : otherwise;
            default:
                return otherwise;
        }
    }

    private static BigInteger? ParseRadix(string text, int radix)
    {
        bool negative = text.StartsWith('-');
        string digits = text.TrimStart('+', '-').ToLowerInvariant();
        string prefix = radix switch { 2 => "0b", 8 => "0o", _ => "0x" };
        digits = digits.StartsWith(prefix, StringComparison.Ordinal) ? digits[2..] : digits;
        BigInteger value = 0;
        foreach (char c in digits)
        {
            int digit = char.IsAsciiHexDigit(c) ? Convert.ToInt32(c.ToString(), 16) : int.MaxValue;
            if (digit >= radix)
            {
                return null;
            }
            value = (value * radix) + digit;
        }
        return digits.Length == 0 ? null : negative ? -value : value;
    }

    private MarkedText Format(MarkedText format, Arguments arguments)
    {
        if (arguments.Named.Count > 0 && arguments.Positional.Count > 0)
        {
            throw new TemplateException("format takes positional or named arguments, not both");
        }
        return Formatting.Percent(format, arguments.Named.Count > 0 ? arguments.Named : new Sequence(arguments.Positional, SequenceKind.Tuple), budget);
    }

    private Sequence GroupBy(object? value, Arguments arguments)
    {
        object? attribute = arguments.Next("attribute"), otherwise = arguments.Next("default", null);
        bool caseSensitive = arguments.NextFlag("case_sensitive");
        object? Key(object? entry) => Folded(Attribute(entry, attribute, otherwise), caseSensitive);
        List<(object? Key, List<object?> Items)> groups = [];
        foreach (object? entry in Sorted(Walk(value), Key, false))
        {
            if (groups.Count > 0 && Python.Equals(groups[^1].Key, Key(entry)))
            {
                groups[^1].Items.Add(entry);
            }
            else
            {
                groups.Add((Key(entry), [entry]));
            }
        }
        // A group is named as its first item is, in that item's own case.
        return new Sequence([.. groups.Select(g => new Sequence([Attribute(g.Items[0], attribute, otherwise), new Sequence(g.Items)], SequenceKind.Tuple) { Fields = ["grouper", "list"] })]);
    }

    // a.b.0: items of items.
    private object? Attribute(object? value, object? path, object? otherwise = null)
    {
        if (path is null)
        {
            return value;
        }
        IEnumerable<object?> parts = path is MarkedText text
            ? text.Value.Split('.').Select(p => p.Length is > 0 and < 10 && p.All(char.IsAsciiDigit) ? (object?)BigInteger.Parse(p, CultureInfo.InvariantCulture) : new MarkedText(p, false))
            : [path];
        foreach (object? part in parts)
        {
            value = item(value, part);
            if (value is Undefined && otherwise is not null)
            {
                value = otherwise;
            }
        }
        return value;
    }

    private MarkedText Indent(MarkedText text, object? width, bool first, bool blank)
    {
        MarkedText indentation = width as MarkedText ?? (MarkedText)Python.Multiply((MarkedText)" ", width, budget)!;
        MarkedText[] lines = [.. TextMethods.Lines(text + "\n", budget)];
        MarkedTextBuilder builder = new();
        for (int i = 0; i < lines.Length; i++)
        {
            builder.Append(i > 0 ? "\n" : string.Empty, text.AnyMarked);
            if (i > 0 ? blank || lines[i].Value.Length > 0 : first)
            {
                budget.Characters(indentation.Value.Length);
                builder.Append(indentation);
            }
            builder.Append(lines[i]);
        }
        return builder.ToText();
    }

    private MarkedText Join(object? value, Arguments arguments)
    {
        MarkedText separator = Text(arguments.Next("d", MarkedText.Empty));
        object? attribute = arguments.Next("attribute", null);
        return TextMethods.Join(separator, [.. Walk(value).Select(v => Attribute(v, attribute))], budget, strict: false);
    }

    private Sequence Map(object? value, Arguments arguments)
    {
        IReadOnlyList<object?> items = WalkTrue(value);
        if (arguments.Positional.Count == 0 && arguments.Named.TryGet((MarkedText)"attribute", out object? attribute))
        {
            arguments.Named.TryGet((MarkedText)"default", out object? otherwise);
            return new Sequence([.. items.Select(i => Attribute(i, attribute, otherwise))], SequenceKind.Generator);
        }
        string name = arguments.Positional is [MarkedText filter, ..] ? filter.Value : throw new TemplateException("map requires a filter argument");
        return new Sequence([.. items.Select(i => Apply(name, i, new Arguments(name, [.. arguments.Positional.Skip(1)], arguments.Named)))], SequenceKind.Generator);
    }

    private Sequence Select(object? value, Arguments arguments, bool keep, bool byAttribute)
    {
        int skip = byAttribute ? 1 : 0;
        object? attribute = byAttribute ? arguments.Positional.Count > 0 ? arguments.Positional[0] : throw new TemplateException("Missing parameter for attribute name") : null;
        string? name = arguments.Positional.Count > skip ? (arguments.Positional[skip] as MarkedText)?.Value ?? throw new TemplateException("a test's name must be a string") : null;
        Arguments rest = new(name ?? "select", [.. arguments.Positional.Skip(skip + 1)], arguments.Named);
        return new Sequence([.. WalkTrue(value).Where(i =>
        {
            object? subject = Attribute(i, attribute);
            return (name is null ? Python.IsTrue(subject) : test(name, subject, new Arguments(name, rest.Positional, rest.Named))) == keep;
        })], SequenceKind.Generator);
    }

    private object? Extreme(object? value, Arguments arguments, int sign)
    {
        bool caseSensitive = arguments.NextFlag("case_sensitive");
        object? attribute = arguments.Next("attribute", null);
        IReadOnlyList<object?> items = Walk(value);
        if (items.Count == 0)
        {
            return new Undefined("No aggregated item, sequence was empty.");
        }
        object? best = items[0];
        foreach (object? other in items.Skip(1))
        {
            if (sign * Python.Compare(Folded(Attribute(other, attribute), caseSensitive), Folded(Attribute(best, attribute), caseSensitive)) > 0)
            {
                best = other;
            }
        }
        return best;
    }

    private object? Reverse(object? value, Arguments arguments) => value is MarkedText
        ? Python.Slice(value, null, null, BigInteger.MinusOne, budget)
        : new Sequence([.. Walk(value).Reverse()], SequenceKind.Generator);

    private static object? Round(object? value, Arguments arguments)
    {
        int precision = arguments.NextInteger("precision", 0);
        string method = arguments.NextText("method", "common").Value;
        double number = Python.Number(value) ?? throw Unfit("round", value);
        if (method is not ("common" or "ceil" or "floor"))
        {
            throw new TemplateException("method must be common, ceil or floor");
        }
        if (method == "common")
        {
            return value is double ? PythonRound(number, precision) : precision >= 0 ? Python.Integer(value) : new BigInteger(PythonRound(number, precision));
        }
        double scale = Math.Pow(10, precision);
        return (method == "ceil" ? Math.Ceiling(number * scale) : Math.Floor(number * scale)) / scale;
    }

    // Correctly rounded to decimals, as Python's round is: by the number's exact decimal expansion, ties to even.
    private static double PythonRound(double number, int precision)
    {
        if (!double.IsFinite(number) || precision > 300)
        {
            return number;
        }
        if (precision < 0)
        {
            double unit = Math.Pow(10, Math.Min(-precision, 308));
            return Math.Round(number / unit, MidpointRounding.ToEven) * unit;
        }
        if (precision == 0)
        {
            return Math.Round(number, MidpointRounding.ToEven);
        }
        return double.Parse(number.ToString("F" + precision, CultureInfo.InvariantCulture), CultureInfo.InvariantCulture);
    }

    private Sequence SliceColumns(object? value, Arguments arguments)
    {
        int slices = arguments.NextInteger("slices");
        object? fill = arguments.Next("fill_with", null);
        if (slices < 1 || slices > 10_000)
        {
            throw new TemplateException("slice: a number of slices that is not positive or too large");
        }
        IReadOnlyList<object?> items = Walk(value);
        int each = items.Count / slices, extra = items.Count % slices, at = 0;
        List<object?> columns = [];
        for (int s = 0; s < slices; s++)
        {
            int size = each + (s < extra ? 1 : 0);
            List<object?> column = [.. items.Skip(at).Take(size)];
            at += size;
            if (fill is not null && s >= extra)
            {
                column.Add(fill);
            }
            columns.Add(new Sequence(column));
        }
        return new Sequence(columns, SequenceKind.Generator);
    }

    private Sequence Sort(object? value, Arguments arguments)
    {
        bool reverse = arguments.NextFlag("reverse"), caseSensitive = arguments.NextFlag("case_sensitive");
        object? attribute = arguments.Next("attribute", null);
        // Several attributes with commas; one or none is a list of one key, too, and lists compare equal items without an order.
        object?[] paths = attribute is MarkedText text ? [.. text.Value.Split(',').Select(object? (p) => (MarkedText)p)] : [attribute];
        return new Sequence(Sorted(Walk(value), i => new Sequence([.. paths.Select(p => Folded(Attribute(i, p), caseSensitive))]), reverse));
    }

    private static MarkedText StripTags(MarkedText text)
    {
        MarkedTextBuilder builder = new();
        bool space = false;
        for (int at = 0; at < text.Value.Length; at++)
        {
            char c = text.Value[at];
            if (c == '<' && text.Value.IndexOf('>', at) is int close and >= 0)
            {
                at = close;
                continue;
            }
            if (TemplateLexer.IsSpace(c))
            {
                space = builder.Length > 0;
                continue;
            }
            builder.Append(space ? " " : string.Empty, text.IsMarked(at)).Append(text.Substring(at, 1));
            space = false;
        }
        return builder.ToText();
    }

    private object? Sum(object? value, Arguments arguments)
    {
        object? attribute = arguments.Next("attribute", null), sum = arguments.Next("start", BigInteger.Zero);
        foreach (object? entry in Walk(value))
        {
            sum = Python.Add(sum, Attribute(entry, attribute), budget);
        }
        return sum;
    }

    // Words begin at the start and behind - ( { [ < and white space.
    private static MarkedText Title(MarkedText text)
    {
        bool begins = true;
        return text.Map((rune, _) =>
        {
            bool separator = rune.IsBmp && ((char)rune.Value is '-' or '(' or '{' or '[' or '<' || TemplateLexer.IsSpace((char)rune.Value));
            string mapped = separator ? rune.ToString() : begins ? TextMethods.Upper(rune.ToString()).Value : TextMethods.Lower(rune.ToString()).Value;
            begins = separator;
            return mapped;
        });
    }

    private MarkedText ToJson(object? value, Arguments arguments)
    {
        bool ascii = arguments.NextFlag("ensure_ascii");
        object? indent = arguments.Next("indent", null), separators = arguments.Next("separators", null);
        bool sortKeys = arguments.NextFlag("sort_keys");
        MarkedText? indentation = indent switch
        {
            null => null,
            MarkedText text => text,
            _ => (MarkedText)Python.Multiply(new MarkedText(" ", true), indent, budget)!,
        };
        (MarkedText item, MarkedText key) = separators is Sequence { Items: [MarkedText first, MarkedText second] } ? (first, second) : (new(indentation is null ? ", " : ",", true), new(": ", true));
        return JsonValues.Write(value, indentation, item, key, sortKeys, ascii, budget);
    }

    private MarkedText Truncate(MarkedText text, int length, bool killWords, MarkedText end, int leeway)
    {
        if (length < end.Length || leeway < 0)
        {
            throw new TemplateException($"truncate: a length of at least {end.Length} expected");
        }
        if (text.Length <= length + leeway)
        {
            return text;
        }
        MarkedText cut = text.Substring(0, text.UnitOf(length - end.Length));
        int space = killWords ? -1 : cut.Value.LastIndexOf(' ');
        return (space < 0 ? cut : cut.Substring(0, space)) + end;
    }

    private Sequence Unique(object? value, Arguments arguments)
    {
        bool caseSensitive = arguments.NextFlag("case_sensitive");
        object? attribute = arguments.Next("attribute", null);
        Mapping seen = new();
        List<object?> kept = [];
        foreach (object? entry in Walk(value))
        {
            object? key = Folded(Attribute(entry, attribute), caseSensitive);
            if (!seen.TryGet(key, out _))
            {
                seen.Set(key, null);
                kept.Add(entry);
            }
        }
        return new Sequence(kept, SequenceKind.Generator);
    }

    private static MarkedText UrlEncode(MarkedText text) => text.Map((rune, _) => rune.IsAscii && (Rune.IsLetterOrDigit(rune) || "_.-~/".Contains((char)rune.Value, StringComparison.Ordinal))
        ? rune.ToString()
        : string.Concat(Encoding.UTF8.GetBytes(rune.ToString()).Select(b => "%" + b.ToString("X2", CultureInfo.InvariantCulture))));

    private static int Words(string text)
    {
        int words = 0;
        bool inside = false;
        foreach (char c in text)
        {
            bool word = char.IsLetterOrDigit(c) || c == '_';
            words += word && !inside ? 1 : 0;
            inside = word;
        }
        return words;
    }
}
