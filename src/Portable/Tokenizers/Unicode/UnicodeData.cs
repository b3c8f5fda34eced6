using System.Globalization;

namespace Portable.Tokenizers.Unicode;

/// <summary>The data files that are embedded in this assembly, line by line; lines that begin with # say what a file is.</summary>
internal static class UnicodeData
{
    public static IEnumerable<string> Lines(string name)
    {
        using Stream stream = typeof(UnicodeData).Assembly.GetManifestResourceStream("Portable.Tokenizers.Unicode." + name)!;
        using StreamReader reader = new(stream);
        while (reader.ReadLine() is { } line)
        {
            if (!line.StartsWith('#'))
            {
                yield return line;
            }
        }
    }

    public static int Hex(string text) => int.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
