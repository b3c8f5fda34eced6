using System.Text;

namespace Portable.Cli.Output;

/// <summary>Text of models and files for a terminal: control characters other than newline and tab could move its cursor, change its
/// title or worse, and are left out.</summary>
internal static class Printable
{
    public static string Of(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange('\0', '\x1f') && !text.AsSpan().ContainsAnyInRange('\x7f', '\x9f'))
        {
            return text;
        }

        StringBuilder printable = new(text.Length);
        foreach (char c in text)
        {
            if (c is '\n' or '\t' || !char.IsControl(c))
            {
                printable.Append(c);
            }
        }

        return printable.ToString();
    }
}
