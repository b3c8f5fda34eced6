using System.Globalization;
using System.Numerics;

namespace Portable.Chat.Templates;

/// <summary>Python's two ways to fill a text: 'a %s b' % values, and 'a {} b'.format(values), without conversions that reach into
/// objects. What is made of numbers is marked, as in <see cref="Printing"/>.</summary>
internal static class Formatting
{
    /// <summary>%-formatting of one value, a tuple or a mapping.</summary>
    public static MarkedText Percent(MarkedText format, object? values, RenderBudget budget)
    {
        IReadOnlyList<object?> items = values is Sequence { Kind: SequenceKind.Tuple } tuple ? tuple.Items : [values];
        MarkedTextBuilder builder = new();
        string text = format.Value;
        int next = 0, at = 0;
        bool byName = false;
        while (true)
        {
            int percent = text.IndexOf('%', at);
            if (percent < 0)
            {
                builder.Append(format.Substring(at));
                break;
            }
            builder.Append(format.Substring(at, percent - at));
            at = percent + 1;
            object? Take()
            {
                return next < items.Count ? items[next++] : throw new TemplateException("not enough arguments for format string");
            }
            object? named = null;
            bool hasName = at < text.Length && text[at] == '(';
            if (hasName)
            {
                int close = text.IndexOf(')', at);
                byName = true;
                if (close < 0 || values is not Mapping mapping || !mapping.TryGet((MarkedText)text[(at + 1)..close], out named))
                {
                    throw new TemplateException("a format's key is missing");
                }
                at = close + 1;
            }
            int flags = at;
            while (at < text.Length && text[at] is '-' or '+' or ' ' or '0' or '#')
            {
                at++;
            }
            string flag = text[flags..at];
            int width = Number(ref at, Take), precision = -1;
            if (at < text.Length && text[at] == '.')
            {
                at++;
                precision = Math.Max(0, Number(ref at, Take));
            }
            char kind = at < text.Length ? text[at++] : throw new TemplateException("incomplete format");
            if (kind == '%')
            {
                builder.Append(format.Substring(at - 1, 1));
                continue;
            }
            MarkedText part = Convert(hasName ? named : Take(), kind, flag, precision, budget);
            builder.Append(Fit(part, width, flag, kind, budget));
            budget.Characters(part.Value.Length);
        }
        if (next < items.Count && !byName && !(values is Mapping or Sequence { Kind: SequenceKind.List }))
        {
            throw new TemplateException("not all arguments converted during string formatting");
        }
        return builder.ToText();

        int Number(ref int position, Func<object?> take)
        {
            if (position < text.Length && text[position] == '*')
            {
                position++;
                return Python.Integer(take()) is BigInteger given && given <= RenderBudget.MaximumCharacters ? (int)given : throw new TemplateException("* wants an integer");
            }
            int start = position;
            while (position < text.Length && char.IsAsciiDigit(text[position]))
            {
                position++;
            }
            return start == position ? 0 : int.TryParse(text.AsSpan(start, position - start), NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : throw new TemplateException("a format's width is too large");
        }
    }

    private static MarkedText Convert(object? value, char kind, string flag, int precision, RenderBudget budget)
    {
        if (value is Undefined undefined && kind != 's')
        {
            throw undefined.Error();
        }
        switch (kind)
        {
            case 's' or 'r' or 'a':
                MarkedText text = kind == 's' ? Printing.Text(value, budget) : Printing.Representation(value, budget);
                return precision >= 0 && text.Length > precision ? text.Substring(0, text.UnitOf(precision)) : text;
            case 'd' or 'i' or 'u':
                BigInteger number = Python.Integer(value) ?? (value is double d && double.IsFinite(d) ? new BigInteger(Math.Truncate(d)) : throw Wrong(value, kind));
                return Signed(BigInteger.Abs(number).ToString(CultureInfo.InvariantCulture), number.Sign < 0, flag);
            case 'x' or 'X' or 'o':
                BigInteger integer = Python.Integer(value) ?? throw Wrong(value, kind);
                return Signed((flag.Contains('#', StringComparison.Ordinal) ? "0" + kind : string.Empty) + Digits(BigInteger.Abs(integer), kind), integer.Sign < 0, flag);
            case 'f' or 'F' or 'e' or 'E' or 'g' or 'G':
                double real = Python.Number(value) ?? throw Wrong(value, kind);
                return Signed(Real(Math.Abs(real), kind, precision < 0 ? 6 : Math.Min(precision, 300)), double.IsNegative(real), flag);
            case 'c':
                return value is MarkedText { Length: 1 } one ? one
                    : Python.Integer(value) is BigInteger point && point >= 0 && point <= 0x10FFFF && (point < 0xD800 || point > 0xDFFF) ? new MarkedText(char.ConvertFromUtf32((int)point), true)
                    : throw Wrong(value, kind);
            default:
                throw new TemplateException($"unsupported format character '{kind}'");
        }
    }

    private static TemplateException Wrong(object? value, char kind) => new($"%{kind} does not take '{Python.TypeName(value)}'");

    private static string Digits(BigInteger value, char kind)
    {
        int radix = kind == 'o' ? 8 : 16;
        string digits = value.IsZero ? "0" : string.Empty;
        for (; !value.IsZero; value /= radix)
        {
            int digit = (int)(value % radix);
            digits = (digit < 10 ? (char)('0' + digit) : (char)((kind == 'X' ? 'A' : 'a') + digit - 10)) + digits;
        }
        return digits;
    }

    private static string Real(double value, char kind, int precision)
    {
        if (!double.IsFinite(value))
        {
            return double.IsNaN(value) ? "nan" : "inf";
        }
        switch (kind)
        {
            case 'f' or 'F':
                return value.ToString("F" + precision, CultureInfo.InvariantCulture);
            case 'e' or 'E':
                return Exponent(value.ToString((kind == 'e' ? "e" : "E") + precision, CultureInfo.InvariantCulture));
            default:
                precision = Math.Max(1, precision);
                int exponent = value == 0 ? 0 : int.Parse(value.ToString("e" + (precision - 1), CultureInfo.InvariantCulture).Split('e')[1], CultureInfo.InvariantCulture);
                string text = exponent < -4 || exponent >= precision
                    ? value.ToString("e" + (precision - 1), CultureInfo.InvariantCulture)
                    : value.ToString("F" + Math.Max(0, precision - 1 - exponent), CultureInfo.InvariantCulture);
                string[] parts = text.Split('e');
                parts[0] = parts[0].Contains('.', StringComparison.Ordinal) ? parts[0].TrimEnd('0').TrimEnd('.') : parts[0];
                text = Exponent(string.Join('e', parts));
                return kind == 'G' ? text.ToUpperInvariant() : text;
        }
    }

    // .NET writes e+005 where Python writes e+05.
    private static string Exponent(string text)
    {
        int e = text.IndexOfAny(['e', 'E']);
        return e < 0 ? text : text[..(e + 2)] + text[(e + 2)..].TrimStart('0').PadLeft(2, '0');
    }

    private static MarkedText Signed(string digits, bool negative, string flag) =>
        new((negative ? "-" : flag.Contains('+', StringComparison.Ordinal) ? "+" : flag.Contains(' ', StringComparison.Ordinal) ? " " : string.Empty) + digits, true);

    private static MarkedText Fit(MarkedText text, int width, string flag, char kind, RenderBudget budget)
    {
        int padding = width - text.Length;
        if (padding <= 0)
        {
            return text;
        }
        bool left = flag.Contains('-', StringComparison.Ordinal);
        if (!left && flag.Contains('0', StringComparison.Ordinal) && kind is not ('s' or 'r' or 'a' or 'c'))
        {
            int sign = text.Value[0] is '-' or '+' or ' ' ? 1 : 0;
            return text.Substring(0, sign) + TextMethods.Pad(text.Substring(sign), padding, "0", 0, budget);
        }
        return TextMethods.Pad(text, padding, " ", left ? 1 : 0, budget);
    }

    /// <summary>str.format: {}, {0}, {name}, {0.key} and {0[key]} of mappings and lists, !s and !r, and widths, alignments and the common
    /// number formats.</summary>
    public static MarkedText Braces(MarkedText format, Arguments arguments, RenderBudget budget)
    {
        MarkedTextBuilder builder = new();
        string text = format.Value;
        int automatic = 0;
        for (int at = 0; at < text.Length;)
        {
            char c = text[at];
            if (c is '{' or '}')
            {
                if (at + 1 < text.Length && text[at + 1] == c)
                {
                    builder.Append(format.Substring(at, 1));
                    at += 2;
                    continue;
                }
                int close = c == '{' ? text.IndexOf('}', at) : -1;
                if (close < 0)
                {
                    throw new TemplateException($"format: a single '{c}'");
                }
                MarkedText field = Field(text[(at + 1)..close], format.IsMarked(at), arguments, ref automatic, budget);
                budget.Characters(field.Value.Length);
                builder.Append(field);
                at = close + 1;
                continue;
            }
            int next = text.IndexOfAny(['{', '}'], at);
            next = next < 0 ? text.Length : next;
            builder.Append(format.Substring(at, next - at));
            at = next;
        }
        return builder.ToText();
    }

    private static MarkedText Field(string field, bool marked, Arguments arguments, ref int automatic, RenderBudget budget)
    {
        int colon = field.IndexOf(':', StringComparison.Ordinal);
        string specification = colon < 0 ? string.Empty : field[(colon + 1)..];
        string name = colon < 0 ? field : field[..colon];
        int bang = name.IndexOf('!', StringComparison.Ordinal);
        char conversion = bang >= 0 && bang + 2 == name.Length ? name[bang + 1] : '\0';
        name = bang < 0 ? name : name[..bang];
        int end = name.IndexOfAny(['.', '[']);
        string first = end < 0 ? name : name[..end];
        object? value;
        if (first.Length == 0 || first.All(char.IsAsciiDigit))
        {
            int index = first.Length == 0 ? automatic++ : first.Length < 6 ? int.Parse(first, CultureInfo.InvariantCulture) : int.MaxValue;
            value = index < arguments.Positional.Count ? arguments.Positional[index] : throw new TemplateException("format: not enough arguments");
        }
        else if (!arguments.Named.TryGet((MarkedText)first, out value))
        {
            throw new TemplateException($"format: no argument '{first}'");
        }
        for (string rest = end < 0 ? string.Empty : name[end..]; rest.Length > 0;)
        {
            bool item = rest[0] == '[';
            int stop = item ? rest.IndexOf(']', StringComparison.Ordinal) : rest.IndexOfAny(['.', '['], 1);
            stop = stop < 0 ? item ? throw new TemplateException("format: '[' is not closed") : rest.Length : stop;
            string key = rest[1..stop];
            if (!Python.TryItem(value, item && key.Length is > 0 and < 6 && key.All(char.IsAsciiDigit) ? BigInteger.Parse(key, CultureInfo.InvariantCulture) : (MarkedText)key, out value))
            {
                throw new TemplateException($"format: no '{key}'");
            }
            rest = rest[(item ? stop + 1 : stop)..];
        }
        MarkedText? converted = conversion switch { 's' => Printing.Text(value, budget), 'r' => Printing.Representation(value, budget), _ => null };
        return Specified(converted ?? value, specification, marked, budget);
    }

    private static MarkedText Specified(object? value, string specification, bool marked, RenderBudget budget)
    {
        if (specification.Length == 0)
        {
            return Printing.Text(value, budget);
        }
        int at = 0;
        MarkedText fill = " ";
        char align = '\0';
        if (specification.Length > 1 && specification[1] is '<' or '>' or '^' or '=')
        {
            fill = new MarkedText(specification[0].ToString(), marked);
            align = specification[1];
            at = 2;
        }
        else if (specification[0] is '<' or '>' or '^' or '=')
        {
            align = specification[0];
            at = 1;
        }
        int flags = at;
        while (at < specification.Length && specification[at] is '+' or '-' or ' ' or '#' or '0')
        {
            at++;
        }
        string flag = specification[flags..at];
        int digits = at;
        while (at < specification.Length && char.IsAsciiDigit(specification[at]))
        {
            at++;
        }
        int width = at > digits && !int.TryParse(specification.AsSpan(digits, at - digits), out int parsed) ? throw new TemplateException("format: a width is too large") : at > digits ? int.Parse(specification.AsSpan(digits, at - digits), CultureInfo.InvariantCulture) : 0;
        bool thousands = at < specification.Length && specification[at] == ',';
        at += thousands ? 1 : 0;
        int precision = -1;
        if (at < specification.Length && specification[at] == '.')
        {
            int start = ++at;
            while (at < specification.Length && char.IsAsciiDigit(specification[at]))
            {
                at++;
            }
            precision = int.TryParse(specification.AsSpan(start, at - start), out int p) ? p : throw new TemplateException("format: a precision is missing");
        }
        char kind = at < specification.Length ? specification[at++] : value is MarkedText ? 's' : value is double ? precision < 0 ? 's' : 'g' : 'd';
        if (at != specification.Length)
        {
            throw new TemplateException($"format: '{specification}' is not supported");
        }
        MarkedText text = kind == 's' && value is double real ? new MarkedText(Python.Float(real), true) : Convert(value, kind, flag, precision, budget);
        if (thousands)
        {
            int sign = text.Value[0] == '-' ? 1 : 0, point = text.Value.IndexOf('.', StringComparison.Ordinal) is int dot and >= 0 ? dot : text.Value.Length;
            string grouped = text.Value;
            for (int i = point - 3; i > sign; i -= 3)
            {
                grouped = grouped.Insert(i, ",");
            }
            text = new MarkedText(grouped, true);
        }
        int padding = width - text.Length;
        if (padding <= 0)
        {
            return text;
        }
        bool number = value is not MarkedText;
        return align == '\0' && number && flag.Contains('0', StringComparison.Ordinal) ? Fit(text, width, "0", 'd', budget)
            : TextMethods.Pad(text, padding, fill, align switch { '<' => 1, '^' => 2, '>' => 0, _ => number ? 0 : 1 }, budget);
    }
}
