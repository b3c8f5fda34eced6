using System.Globalization;
using System.Net;

namespace Portable.Evaluation;

/// <summary>Text and numbers on their way into markup.</summary>
internal static class Html
{
    /// <summary>Colours that a page has: classes s0, s1, ….</summary>
    public const int Colours = 8;

    /// <summary>Text that is nothing but text, in elements and in attributes.</summary>
    public static string Text(string text) => WebUtility.HtmlEncode(text);

    /// <summary>A number, or nothing where there is none.</summary>
    public static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";

    /// <summary>A coordinate.</summary>
    public static string At(double value) => value.ToString("0.##", CultureInfo.InvariantCulture);
}
