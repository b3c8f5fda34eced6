using System.Text;

namespace Portable.Cli.CommandLine;

/// <summary>Whether what reads the tool's output knows more than ASCII.</summary>
internal static class ReaderEncoding
{
    /// <summary>Of this process: by the console's code page on Windows, elsewhere by the locale.</summary>
    public static bool IsUnicode => OperatingSystem.IsWindows()
        ? Console.OutputEncoding.CodePage == Encoding.UTF8.CodePage
        : IsUnicodeLocale(Environment.GetEnvironmentVariable);

    /// <summary>Whether a locale's characters are UTF-8's: LC_ALL, else LC_CTYPE, else LANG; where none is set, as in most containers, they are.</summary>
    /// <param name="variable">An environment variable's value.</param>
    public static bool IsUnicodeLocale(Func<string, string?> variable)
    {
        string? locale = new[] { "LC_ALL", "LC_CTYPE", "LANG" }.Select(variable).FirstOrDefault(v => !string.IsNullOrEmpty(v));
        return locale is null || locale.Contains("utf-8", StringComparison.OrdinalIgnoreCase) || locale.Contains("utf8", StringComparison.OrdinalIgnoreCase);
    }
}
