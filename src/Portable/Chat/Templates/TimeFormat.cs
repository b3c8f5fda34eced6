using System.Globalization;
using System.Text;

namespace Portable.Chat.Templates;

/// <summary>strftime in the C locale.</summary>
internal static class TimeFormat
{
    public static string Write(string format, DateTimeOffset time, RenderBudget budget)
    {
        StringBuilder text = new();
        for (int i = 0; i < format.Length; i++)
        {
            budget.Characters(4);
            if (format[i] != '%' || i + 1 == format.Length)
            {
                text.Append(format[i]);
                continue;
            }
            // %-d: without padding.
            bool bare = format[i + 1] == '-' && i + 2 < format.Length;
            i += bare ? 2 : 1;
            string part = Part(format[i], time) ?? "%" + (bare ? "-" : string.Empty) + format[i];
            text.Append(bare && part.Length > 1 && char.IsAsciiDigit(part[0]) ? part.TrimStart('0') is { Length: > 0 } trimmed ? trimmed : "0" : part);
        }
        return text.ToString();
    }

    private static string? Part(char directive, DateTimeOffset time)
    {
        string Of(string pattern) => time.ToString(pattern, CultureInfo.InvariantCulture);
        return directive switch
        {
            'Y' => Of("yyyy"),
            'y' => Of("yy"),
            'm' => Of("MM"),
            'd' => Of("dd"),
            'e' => Of("%d").PadLeft(2),
            'H' => Of("HH"),
            'I' => Of("hh"),
            'M' => Of("mm"),
            'S' => Of("ss"),
            'f' => Of("ffffff"),
            'p' => Of("tt"),
            'B' => Of("MMMM"),
            'b' or 'h' => Of("MMM"),
            'A' => Of("dddd"),
            'a' => Of("ddd"),
            'j' => time.DayOfYear.ToString("000", CultureInfo.InvariantCulture),
            'w' => ((int)time.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            'u' => (time.DayOfWeek == DayOfWeek.Sunday ? 7 : (int)time.DayOfWeek).ToString(CultureInfo.InvariantCulture),
            'c' => Of("ddd MMM ") + Of("%d").PadLeft(2) + Of(" HH:mm:ss yyyy"),
            'x' or 'D' => Of("MM\\/dd\\/yy"),
            'X' or 'T' => Of("HH:mm:ss"),
            'F' => Of("yyyy-MM-dd"),
            'R' => Of("HH:mm"),
            's' => time.ToUnixTimeSeconds().ToString(CultureInfo.InvariantCulture),
            // transformers asks for local time without a zone.
            'z' or 'Z' => string.Empty,
            'n' => "\n",
            't' => "\t",
            '%' => "%",
            _ => null,
        };
    }
}
