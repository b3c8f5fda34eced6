using System.Globalization;
using System.Numerics;
using System.Text.Json;

namespace Portable.Chat.Templates;

/// <summary>JSON to a template's values and back: every text of a message, tool or variable is marked.</summary>
internal static class JsonValues
{
    // What an application, not a person, chooses: a role is one of few words, and templates write special tokens around it.
    private static readonly HashSet<string> Roles = ["system", "developer", "user", "assistant", "model", "tool", "function", "ipython"];

    /// <summary>The value of a JSON element. Numbers with a point or an exponent are floats, as Python's json reads them.</summary>
    /// <param name="element">Any JSON.</param>
    /// <param name="marked">Whether its texts came from somebody else than the template.</param>
    public static object? Read(JsonElement element, bool marked)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String:
                return new MarkedText(Unicode(element.GetString), marked);
            case JsonValueKind.Number:
                string number = element.GetRawText();
                return number.AsSpan().IndexOfAny('.', 'e', 'E') < 0
                    ? number.Length < 1000 ? BigInteger.Parse(number, CultureInfo.InvariantCulture) : throw new TemplateException("a number is too long")
                    : double.Parse(number, CultureInfo.InvariantCulture);
            case JsonValueKind.True or JsonValueKind.False:
                return element.GetBoolean();
            case JsonValueKind.Array:
                return new Sequence([.. element.EnumerateArray().Select(item => Read(item, marked))]);
            case JsonValueKind.Object:
                Mapping mapping = new();
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    string name = Unicode(() => property.Name);
                    bool role = name == "role" && property.Value.ValueKind == JsonValueKind.String && Roles.Contains(Unicode(property.Value.GetString));
                    mapping.Set(new MarkedText(name, marked), Read(property.Value, marked && !role));
                }
                return mapping;
            default:
                return null;
        }
    }

    private static string Unicode(Func<string?> read)
    {
        try
        {
            return read()!;
        }
        catch (InvalidOperationException e)
        {
            throw new TemplateException("a text of the conversation is not Unicode: an unpaired surrogate, or bytes that are not UTF-8", 0, e);
        }
    }

    /// <summary>What json.dumps writes of a value. Texts and the template's separators keep their marks, all else is marked, as in
    /// <see cref="Printing"/>.</summary>
    /// <param name="value">None, booleans, numbers, texts, lists, tuples and mappings of those.</param>
    /// <param name="indent">What a level is indented by; null: everything on one line.</param>
    /// <param name="itemSeparator">Between items.</param>
    /// <param name="keySeparator">Between a key and its value.</param>
    /// <param name="sortKeys">Whether keys are sorted.</param>
    /// <param name="ascii">Whether all but ASCII is escaped.</param>
    /// <param name="budget">What the rendering may use.</param>
    public static MarkedText Write(object? value, MarkedText? indent, MarkedText itemSeparator, MarkedText keySeparator, bool sortKeys, bool ascii, RenderBudget budget)
    {
        MarkedTextBuilder builder = new();
        WriteValue(value, 1);
        return builder.ToText();

        void WriteValue(object? item, int level)
        {
            RenderBudget.EnsureStack();
            budget.Step();
            switch (item)
            {
                case null: builder.Append("null", true); break;
                case bool flag: builder.Append(flag ? "true" : "false", true); break;
                case BigInteger number: builder.Append(number.ToString(CultureInfo.InvariantCulture), true); break;
                case double number: builder.Append(Number(number), true); break;
                case MarkedText text: Quote(builder, text, ascii, budget); break;
                case Sequence { Kind: <= SequenceKind.Tuple } sequence:
                    Enclosed("[", "]", sequence.Items, level, inner => WriteValue(inner, level + 1));
                    break;
                case Mapping mapping:
                    IEnumerable<KeyValuePair<object?, object?>> pairs = mapping.Items;
                    if (sortKeys)
                    {
                        pairs = pairs.Order(Comparer<KeyValuePair<object?, object?>>.Create((a, b) => Python.Compare(a.Key, b.Key)));
                    }
                    Enclosed("{", "}", [.. pairs], level, pair =>
                    {
                        Quote(builder, Key(pair.Key), ascii, budget);
                        builder.Append(keySeparator);
                        WriteValue(pair.Value, level + 1);
                    });
                    break;
                case Undefined undefined: throw undefined.Error();
                default: throw new TemplateException($"tojson: a '{Python.TypeName(item)}' is not JSON");
            }
        }

        void Enclosed<T>(string open, string close, IReadOnlyList<T> items, int level, Action<T> write)
        {
            builder.Append(open, true);
            for (int i = 0; i < items.Count; i++)
            {
                if (i > 0)
                {
                    builder.Append(itemSeparator);
                }
                NewLine(level);
                write(items[i]);
            }
            if (items.Count > 0)
            {
                NewLine(level - 1);
            }
            builder.Append(close, true);
            budget.Characters(2 + (items.Count * itemSeparator.Value.Length));
        }

        void NewLine(int level)
        {
            if (indent is not null)
            {
                budget.Characters(1 + ((long)level * indent.Value.Length));
                builder.Append("\n", true);
                for (int i = 0; i < level; i++)
                {
                    builder.Append(indent);
                }
            }
        }
    }

    private static MarkedText Key(object? key) => key switch
    {
        MarkedText text => text,
        bool flag => Data(flag ? "true" : "false"),
        null => Data("null"),
        BigInteger number => Data(number.ToString(CultureInfo.InvariantCulture)),
        double number => Data(Number(number)),
        _ => throw new TemplateException($"tojson: a key must not be a '{Python.TypeName(key)}'"),
    };

    private static MarkedText Data(string text) => new(text, true);

    private static string Number(double number) => double.IsNaN(number) ? "NaN" : double.IsInfinity(number) ? number > 0 ? "Infinity" : "-Infinity" : Python.Float(number);

    private static void Quote(MarkedTextBuilder builder, MarkedText text, bool ascii, RenderBudget budget)
    {
        budget.Characters((ascii ? 6 : 1) * (long)text.Value.Length);
        builder.Append("\"", true).Append(NeedsNoEscape(text.Value, ascii) ? text : text.Map((rune, _) => rune.Value switch
        {
            '"' => "\\\"",
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            '\b' => "\\b",
            '\f' => "\\f",
            < 0x20 => $"\\u{rune.Value:x4}",
            > 0x7E when ascii => string.Concat(rune.ToString().Select(unit => $"\\u{(int)unit:x4}")),
            _ => rune.ToString(),
        })).Append("\"", true);
    }

    private static bool NeedsNoEscape(string text, bool ascii)
    {
        foreach (char c in text)
        {
            if (c is < ' ' or '"' or '\\' || char.IsSurrogate(c) || (ascii && c > 0x7E))
            {
                return false;
            }
        }
        return true;
    }
}
