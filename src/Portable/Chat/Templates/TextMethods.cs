using System.Globalization;
using System.Numerics;
using System.Text;

namespace Portable.Chat.Templates;

/// <summary>Python's methods of str, on marked texts.</summary>
internal static class TextMethods
{
    private static readonly Dictionary<string, Func<MarkedText, Arguments, RenderBudget, object?>> Table = new()
    {
        ["capitalize"] = (t, _, b) => Charged(t, b, Capitalize),
        ["casefold"] = (t, _, b) => Charged(t, b, x => x.Map((r, _) => r.Value is 0xDF or 0x1E9E ? "ss" : LowerOf(r))),
        ["lower"] = (t, _, b) => Charged(t, b, Lower),
        ["upper"] = (t, _, b) => Charged(t, b, Upper),
        ["swapcase"] = (t, _, b) => Charged(t, b, x => x.Map((r, _) => Rune.IsUpper(r) ? LowerOf(r) : UpperOf(r))),
        ["title"] = (t, _, b) => Charged(t, b, Title),
        ["strip"] = (t, a, _) => Strip(t, Set(a), true, true),
        ["lstrip"] = (t, a, _) => Strip(t, Set(a), true, false),
        ["rstrip"] = (t, a, _) => Strip(t, Set(a), false, true),
        ["startswith"] = (t, a, _) => Affix(t, a, (text, affix) => text.StartsWith(affix, StringComparison.Ordinal)),
        ["endswith"] = (t, a, _) => Affix(t, a, (text, affix) => text.EndsWith(affix, StringComparison.Ordinal)),
        ["removeprefix"] = (t, a, _) => One(a, "prefix") is MarkedText p && t.Value.StartsWith(p.Value, StringComparison.Ordinal) ? t.Substring(p.Value.Length) : t,
        ["removesuffix"] = (t, a, _) => One(a, "suffix") is MarkedText s && s.Value.Length > 0 && t.Value.EndsWith(s.Value, StringComparison.Ordinal) ? t.Substring(0, t.Value.Length - s.Value.Length) : t,
        ["replace"] = (t, a, b) => Replace(t, a.NextText("old"), a.NextText("new"), a.NextInteger("count", -1), b),
        ["split"] = (t, a, b) => Split(t, a.Next("sep", null), a.NextInteger("maxsplit", -1), b),
        ["rsplit"] = (t, a, b) => SplitFromRight(t, a.Next("sep", null), a.NextInteger("maxsplit", -1), b),
        ["splitlines"] = (t, a, b) => new Sequence([.. Lines(t, b, a.NextFlag("keepends"))]),
        ["partition"] = (t, a, _) => Partition(t, One(a, "sep"), false),
        ["rpartition"] = (t, a, _) => Partition(t, One(a, "sep"), true),
        ["find"] = (t, a, b) => Find(t, a, b, false, false),
        ["rfind"] = (t, a, b) => Find(t, a, b, true, false),
        ["index"] = (t, a, b) => Find(t, a, b, false, true),
        ["rindex"] = (t, a, b) => Find(t, a, b, true, true),
        ["count"] = (t, a, b) => Count(Window(t, a, b, out MarkedText part, out _), part),
        ["join"] = (t, a, b) => Join(t, Python.Walk(a.Next("iterable"), b), b, strict: true),
        ["center"] = (t, a, b) => Pad(t, a, b, 2),
        ["ljust"] = (t, a, b) => Pad(t, a, b, 1),
        ["rjust"] = (t, a, b) => Pad(t, a, b, 0),
        ["zfill"] = (t, a, b) => ZeroFill(t, a.NextInteger("width"), b),
        ["expandtabs"] = (t, a, b) => ExpandTabs(t, a.NextInteger("tabsize", 8), b),
        ["format"] = (t, a, b) => Formatting.Braces(t, a, b),
        ["isalnum"] = (t, a, _) => All(t, a, r => Rune.IsLetterOrDigit(r) || IsNumeric(r)),
        ["isalpha"] = (t, a, _) => All(t, a, Rune.IsLetter),
        ["isascii"] = (t, a, _) => t.Value.All(char.IsAscii),
        ["isdecimal"] = (t, a, _) => All(t, a, r => Rune.GetUnicodeCategory(r) == UnicodeCategory.DecimalDigitNumber),
        ["isdigit"] = (t, a, _) => All(t, a, r => CharUnicodeInfo.GetDigitValue(r.ToString(), 0) >= 0),
        ["isnumeric"] = (t, a, _) => All(t, a, IsNumeric),
        ["isspace"] = (t, a, _) => All(t, a, r => r.IsBmp && TemplateLexer.IsSpace((char)r.Value)),
        ["isprintable"] = (t, a, _) => t.Value.EnumerateRunes().All(Printing.IsPrintable),
        ["islower"] = (t, a, _) => Cased(t, Rune.IsLower),
        ["isupper"] = (t, a, _) => Cased(t, Rune.IsUpper),
        ["istitle"] = (t, a, _) => t.Value.Any(char.IsLetter) && Title(t).Value == t.Value,
        ["isidentifier"] = (t, a, _) => t.Value.Length > 0 && !char.IsDigit(t.Value[0]) && t.Value.All(c => c == '_' || char.IsLetterOrDigit(c)),
    };

    /// <summary>The method bound to a text, or null where str has none of that name.</summary>
    public static Callable? Bind(MarkedText text, string name, RenderBudget budget) => Table.TryGetValue(name, out var method)
        ? new Callable(name, arguments =>
        {
            budget.Characters(text.Value.Length);
            object? result = method(text, arguments, budget);
            if (name != "format")
            {
                arguments.Done();
            }
            return result;
        })
        : null;

    // What a case mapping makes of a text is at most three times as long.
    private static MarkedText Charged(MarkedText text, RenderBudget budget, Func<MarkedText, MarkedText> map)
    {
        budget.Characters(text.Value.Length);
        return map(text);
    }

    private static MarkedText? One(Arguments arguments, string name) => arguments.NextText(name);

    private static string? Set(Arguments arguments) => arguments.Next("chars", null) switch
    {
        null => null,
        MarkedText set => set.Value,
        object other => throw new TemplateException($"strip: a string expected, not '{Python.TypeName(other)}'"),
    };

    public static MarkedText Lower(MarkedText text) => text.Map((rune, _) => LowerOf(rune));

    public static MarkedText Upper(MarkedText text) => text.Map((rune, _) => UpperOf(rune));

    public static MarkedText Capitalize(MarkedText text) => text.Map((rune, index) => index == 0 ? TitleOf(rune) : LowerOf(rune));

    private static MarkedText Title(MarkedText text)
    {
        bool inWord = false;
        return text.Map((rune, _) =>
        {
            string mapped = inWord ? LowerOf(rune) : TitleOf(rune);
            inWord = Rune.IsLetter(rune);
            return mapped;
        });
    }

    private static string LowerOf(Rune rune) => rune.Value == 0x130 ? "i\u0307" : Rune.ToLowerInvariant(rune).ToString();

    // The full mappings that single-character ones lack.
    private static string UpperOf(Rune rune) => rune.Value switch
    {
        0xDF => "SS",
        0x149 => "\u02BCN",
        0x1F0 => "J\u030C",
        0xFB00 => "FF",
        0xFB01 => "FI",
        0xFB02 => "FL",
        0xFB03 => "FFI",
        0xFB04 => "FFL",
        0xFB05 or 0xFB06 => "ST",
        _ => Rune.ToUpperInvariant(rune).ToString(),
    };

    private static string TitleOf(Rune rune)
    {
        string upper = UpperOf(rune);
        return upper.Length > 1 && !char.IsSurrogate(upper[0]) ? upper[0] + upper[1..].ToLowerInvariant() : upper;
    }

    public static MarkedText Strip(MarkedText text, string? set, bool left, bool right)
    {
        string value = text.Value;
        int start = 0, end = value.Length;
        while (left && start < end && Stripped(start, out int length))
        {
            start += length;
        }
        while (right && end > start)
        {
            int length = end - 1 > start && char.IsLowSurrogate(value[end - 1]) && char.IsHighSurrogate(value[end - 2]) ? 2 : 1;
            if (!Stripped(end - length, out _))
            {
                break;
            }
            end -= length;
        }
        return start == 0 && end == value.Length ? text : text.Substring(start, end - start);

        bool Stripped(int at, out int length)
        {
            length = at + 1 < value.Length && char.IsHighSurrogate(value[at]) && char.IsLowSurrogate(value[at + 1]) ? 2 : 1;
            return set is null ? TemplateLexer.IsSpace(value[at]) : set.Contains(value.Substring(at, length), StringComparison.Ordinal);
        }
    }

    private static bool Affix(MarkedText text, Arguments arguments, Func<string, string, bool> test) => arguments.Next("affix") switch
    {
        MarkedText affix => test(text.Value, affix.Value),
        Sequence { Kind: SequenceKind.Tuple } several => several.Items.Any(i => i is MarkedText affix && test(text.Value, affix.Value)),
        var other => throw new TemplateException($"{arguments.Callee}: a string or a tuple of strings expected, not '{Python.TypeName(other)}'"),
    };

    public static MarkedText Replace(MarkedText text, MarkedText old, MarkedText replacement, int count, RenderBudget budget)
    {
        MarkedTextBuilder builder = new();
        int at = 0;
        if (old.Value.Length == 0)
        {
            // Python puts the new text before every character and behind the last.
            foreach (MarkedText point in text.CodePoints())
            {
                if (count-- != 0)
                {
                    budget.Characters(replacement.Value.Length);
                    builder.Append(replacement);
                }
                else
                {
                    count = 0;
                }
                builder.Append(point);
            }
            return count != 0 ? builder.Append(replacement).ToText() : builder.ToText();
        }
        for (int next = 0; count != 0 && (next = text.Value.IndexOf(old.Value, at, StringComparison.Ordinal)) >= 0; count--)
        {
            budget.Characters(next - at + replacement.Value.Length);
            builder.Append(text.Substring(at, next - at)).Append(replacement);
            at = next + old.Value.Length;
        }
        return at == 0 ? text : builder.Append(text.Substring(at)).ToText();
    }

    private static Sequence Split(MarkedText text, object? separator, int limit, RenderBudget budget)
    {
        List<object?> parts = [];
        int at = 0;
        if (separator is null)
        {
            while (true)
            {
                while (at < text.Value.Length && TemplateLexer.IsSpace(text.Value[at]))
                {
                    at++;
                }
                if (at == text.Value.Length)
                {
                    break;
                }
                int end = at;
                while (end < text.Value.Length && !TemplateLexer.IsSpace(text.Value[end]))
                {
                    end++;
                }
                if (parts.Count == limit)
                {
                    parts.Add(Strip(text.Substring(at), null, false, true));
                    break;
                }
                parts.Add(text.Substring(at, end - at));
                at = end;
            }
        }
        else
        {
            string sep = Separator(separator);
            for (int next; parts.Count != limit && (next = text.Value.IndexOf(sep, at, StringComparison.Ordinal)) >= 0; at = next + sep.Length)
            {
                parts.Add(text.Substring(at, next - at));
            }
            parts.Add(text.Substring(at));
        }
        budget.Step(parts.Count);
        return new Sequence(parts);
    }

    private static Sequence SplitFromRight(MarkedText text, object? separator, int limit, RenderBudget budget)
    {
        if (limit < 0)
        {
            return Split(text, separator, limit, budget);
        }
        List<object?> parts = [];
        int end = text.Value.Length;
        if (separator is null)
        {
            while (true)
            {
                while (end > 0 && TemplateLexer.IsSpace(text.Value[end - 1]))
                {
                    end--;
                }
                int start = end;
                while (start > 0 && !TemplateLexer.IsSpace(text.Value[start - 1]))
                {
                    start--;
                }
                if (end == 0)
                {
                    break;
                }
                if (parts.Count == limit)
                {
                    parts.Add(Strip(text.Substring(0, end), null, true, false));
                    break;
                }
                parts.Add(text.Substring(start, end - start));
                end = start;
            }
        }
        else
        {
            string sep = Separator(separator);
            for (int next; parts.Count != limit && end >= sep.Length && (next = text.Value.LastIndexOf(sep, end - 1, end, StringComparison.Ordinal)) >= 0; end = next)
            {
                parts.Add(text.Substring(next + sep.Length, end - next - sep.Length));
            }
            parts.Add(text.Substring(0, end));
        }
        parts.Reverse();
        budget.Step(parts.Count);
        return new Sequence(parts);
    }

    private static string Separator(object? separator) => separator is MarkedText { Value.Length: > 0 } text ? text.Value : throw new TemplateException("split: an empty or no separator");

    /// <summary>The lines of a text as str.splitlines cuts them.</summary>
    public static IEnumerable<MarkedText> Lines(MarkedText text, RenderBudget budget, bool keepEnds = false)
    {
        string value = text.Value;
        for (int at = 0; at < value.Length;)
        {
            // A line costs as much as some expressions do.
            budget.Step(4);
            int end = at;
            while (end < value.Length && value[end] is not ('\n' or '\r' or '\v' or '\f' or '\x1c' or '\x1d' or '\x1e' or '\x85' or '\u2028' or '\u2029'))
            {
                end++;
            }
            int next = end == value.Length ? end : value[end] == '\r' && end + 1 < value.Length && value[end + 1] == '\n' ? end + 2 : end + 1;
            yield return text.Substring(at, (keepEnds ? next : end) - at);
            at = next;
        }
    }

    private static Sequence Partition(MarkedText text, MarkedText? separator, bool last)
    {
        string sep = Separator(separator);
        int at = last ? text.Value.LastIndexOf(sep, StringComparison.Ordinal) : text.Value.IndexOf(sep, StringComparison.Ordinal);
        object?[] parts = at >= 0 ? [text.Substring(0, at), text.Substring(at, sep.Length), text.Substring(at + sep.Length)]
            : last ? [MarkedText.Empty, MarkedText.Empty, text]
            : [text, MarkedText.Empty, MarkedText.Empty];
        return new Sequence(parts, SequenceKind.Tuple);
    }

    // The part of the text between the optional start and end of find, index and count.
    private static MarkedText Window(MarkedText text, Arguments arguments, RenderBudget budget, out MarkedText part, out int start)
    {
        part = arguments.NextText("sub");
        int length = text.Length;
        start = Position(arguments.NextInteger("start", 0));
        int end = Position((int)(Python.Integer(arguments.Next("end", null) ?? (BigInteger)length) ?? length));
        return end < start ? MarkedText.Empty : (MarkedText)Python.Slice(text, (BigInteger)start, (BigInteger)end, null, budget)!;

        int Position(int index) => Math.Clamp(index < 0 ? index + length : index, 0, length);
    }

    private static object? Find(MarkedText text, Arguments arguments, RenderBudget budget, bool last, bool must)
    {
        MarkedText window = Window(text, arguments, budget, out MarkedText part, out int start);
        int unit = last ? window.Value.LastIndexOf(part.Value, StringComparison.Ordinal) : window.Value.IndexOf(part.Value, StringComparison.Ordinal);
        return unit < 0 && must ? throw new TemplateException("substring not found") : (BigInteger)(unit < 0 ? -1 : start + window.CodePointOf(unit));
    }

    private static BigInteger Count(MarkedText text, MarkedText part)
    {
        if (part.Value.Length == 0)
        {
            return text.Length + 1;
        }
        int count = 0;
        for (int at = 0; (at = text.Value.IndexOf(part.Value, at, StringComparison.Ordinal)) >= 0; at += part.Value.Length)
        {
            count++;
        }
        return count;
    }

    public static MarkedText Join(MarkedText separator, IReadOnlyList<object?> items, RenderBudget budget, bool strict)
    {
        MarkedTextBuilder builder = new();
        for (int i = 0; i < items.Count; i++)
        {
            MarkedText item = items[i] as MarkedText ?? (strict ? throw new TemplateException($"join: item {i} is '{Python.TypeName(items[i])}', not a string") : Printing.Text(items[i], budget));
            budget.Characters(separator.Value.Length + item.Value.Length);
            builder.Append(i > 0 ? separator : MarkedText.Empty).Append(item);
        }
        return builder.ToText();
    }

    // Share of the padding that goes to the left: 0 half (center), by where: 0 right-aligned, 1 left-aligned, 2 centred.
    private static MarkedText Pad(MarkedText text, Arguments arguments, RenderBudget budget, int alignment)
    {
        int padding = Math.Max(0, arguments.NextInteger("width") - text.Length);
        MarkedText fill = arguments.NextText("fillchar", " ");
        if (fill.Length != 1)
        {
            throw new TemplateException("the fill character must be exactly one character");
        }
        return Pad(text, padding, fill, alignment, budget);
    }

    public static MarkedText Pad(MarkedText text, int padding, MarkedText fill, int alignment, RenderBudget budget)
    {
        // Python's centre puts the odd one to the left where the width is odd.
        int left = alignment == 0 ? padding : alignment == 1 ? 0 : (padding / 2) + (padding & (padding + text.Length) & 1);
        MarkedText Fill(int count) => (MarkedText)Python.Multiply(fill, (BigInteger)count, budget)!;
        return Fill(left) + text + Fill(padding - left);
    }

    private static MarkedText ZeroFill(MarkedText text, int width, RenderBudget budget)
    {
        int sign = text.Value.Length > 0 && text.Value[0] is '+' or '-' ? 1 : 0;
        MarkedText zeros = (MarkedText)Python.Multiply((MarkedText)"0", (BigInteger)Math.Max(0, width - text.Length), budget)!;
        return text.Substring(0, sign) + zeros + text.Substring(sign);
    }

    private static MarkedText ExpandTabs(MarkedText text, int size, RenderBudget budget)
    {
        int column = 0;
        return text.Map((rune, _) =>
        {
            if (rune.Value == '\t')
            {
                int spaces = size > 0 ? size - (column % size) : 0;
                budget.Characters(spaces);
                column += spaces;
                return new string(' ', spaces);
            }
            column = rune.Value is '\n' or '\r' ? 0 : column + 1;
            return rune.ToString();
        });
    }

    private static bool IsNumeric(Rune rune) => Rune.GetUnicodeCategory(rune) is UnicodeCategory.DecimalDigitNumber or UnicodeCategory.LetterNumber or UnicodeCategory.OtherNumber;

    private static bool All(MarkedText text, Arguments arguments, Func<Rune, bool> test) => text.Value.Length > 0 && text.Value.EnumerateRunes().All(test);

    private static bool Cased(MarkedText text, Func<Rune, bool> test)
    {
        bool any = false;
        foreach (Rune rune in text.Value.EnumerateRunes())
        {
            if (Rune.IsLower(rune) || Rune.IsUpper(rune))
            {
                if (!test(rune))
                {
                    return false;
                }
                any = true;
            }
        }
        return any;
    }

    public static bool IsLower(MarkedText text) => Cased(text, Rune.IsLower);

    public static bool IsUpper(MarkedText text) => Cased(text, Rune.IsUpper);
}
