using System.Globalization;
using System.Numerics;
using System.Text;

namespace Portable.Chat.Templates;

/// <summary>Python's str() and repr() of a template's values. Texts keep their marks; whatever else prints (numbers, booleans, none,
/// what encloses items) is data and marked wherever it came from: a message's number must not complete a special token, and none is
/// written out of numbers.</summary>
internal static class Printing
{
    public static MarkedText Text(object? value, RenderBudget budget)
    {
        if (value is MarkedText text)
        {
            return text;
        }
        MarkedTextBuilder builder = new();
        Write(builder, value, budget, top: true);
        return builder.ToText();
    }

    public static MarkedText Representation(object? value, RenderBudget budget)
    {
        MarkedTextBuilder builder = new();
        Write(builder, value, budget, top: false);
        return builder.ToText();
    }

    private static void Write(MarkedTextBuilder builder, object? value, RenderBudget budget, bool top)
    {
        RenderBudget.EnsureStack();
        budget.Step();
        int before = builder.Length;
        switch (value)
        {
            case MarkedText text when top: builder.Append(text); break;
            case MarkedText text: Quote(builder, text); break;
            case Sequence { Label: string label }: builder.Append(label, true); break;
            case Sequence { Kind: SequenceKind.Generator }: builder.Append("<generator object>", true); break;
            case Sequence sequence: Items(builder, sequence, budget); break;
            case Mapping mapping: Pairs(builder, mapping, "{", "}", budget); break;
            case Namespace space: Pairs(builder, space.Values, "<Namespace {", "}>", budget); break;
            default: builder.Append(Simple(value, top), true); break;
        }
        // Nested parts have counted theirs.
        budget.Characters(value is Sequence or Mapping or Namespace ? 2 : builder.Length - before);
    }

    private static string Simple(object? value, bool top) => value switch
    {
        null => "None",
        bool flag => flag ? "True" : "False",
        BigInteger number => number.ToString(CultureInfo.InvariantCulture),
        double number => Python.Float(number),
        Undefined => top ? string.Empty : "Undefined",
        Callable callable => $"<function {callable.Name}>",
        _ => $"<{Python.TypeName(value)}>",
    };

    private static void Items(MarkedTextBuilder builder, Sequence sequence, RenderBudget budget)
    {
        (string open, string close) = sequence.Kind == SequenceKind.Tuple ? ("(", sequence.Items.Count == 1 ? ",)" : ")") : ("[", "]");
        builder.Append(open, true);
        for (int i = 0; i < sequence.Items.Count; i++)
        {
            builder.Append(i > 0 ? ", " : string.Empty, true);
            Write(builder, sequence.Items[i], budget, top: false);
        }
        builder.Append(close, true);
    }

    private static void Pairs(MarkedTextBuilder builder, Mapping mapping, string open, string close, RenderBudget budget)
    {
        builder.Append(open, true);
        for (int i = 0; i < mapping.Count; i++)
        {
            builder.Append(i > 0 ? ", " : string.Empty, true);
            Write(builder, mapping.Items[i].Key, budget, top: false);
            builder.Append(": ", true);
            Write(builder, mapping.Items[i].Value, budget, top: false);
        }
        builder.Append(close, true);
    }

    // Single quotes, unless the text holds some and no double ones; escapes for what does not print.
    private static void Quote(MarkedTextBuilder builder, MarkedText text)
    {
        char quote = text.Value.Contains('\'', StringComparison.Ordinal) && !text.Value.Contains('"', StringComparison.Ordinal) ? '"' : '\'';
        builder.Append(quote.ToString(), true);
        builder.Append(text.Map((rune, _) => rune.Value switch
        {
            '\\' => "\\\\",
            '\n' => "\\n",
            '\r' => "\\r",
            '\t' => "\\t",
            _ when rune.Value == quote => "\\" + quote,
            _ when IsPrintable(rune) => rune.ToString(),
            < 0x100 => $"\\x{rune.Value:x2}",
            < 0x10000 => $"\\u{rune.Value:x4}",
            _ => $"\\U{rune.Value:x8}",
        }));
        builder.Append(quote.ToString(), true);
    }

    public static bool IsPrintable(Rune rune) => rune.Value == ' ' || Rune.GetUnicodeCategory(rune) is not (UnicodeCategory.Control or UnicodeCategory.Format
        or UnicodeCategory.Surrogate or UnicodeCategory.PrivateUse or UnicodeCategory.OtherNotAssigned or UnicodeCategory.LineSeparator
        or UnicodeCategory.ParagraphSeparator or UnicodeCategory.SpaceSeparator);
}
