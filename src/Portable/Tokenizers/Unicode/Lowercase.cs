using System.Text;

namespace Portable.Tokenizers.Unicode;

/// <summary>
/// Lower case of each character on its own, as Rust's standard library has it (Unicode 17.0): no final sigma, İ gives two
/// characters. .NET 10's simple mapping lacks the pairs listed here.
/// </summary>
internal static class Lowercase
{
    // First upper-case letter, last, and what is added to reach the lower-case one.
    private static readonly (int First, int Last, int Distance)[] Newer =
    [
        (0x1C89, 0x1C89, 1), (0xA7CB, 0xA7CB, 0x264 - 0xA7CB), (0xA7CC, 0xA7CC, 1), (0xA7CE, 0xA7CE, 1), (0xA7D2, 0xA7D2, 1), (0xA7D4, 0xA7D4, 1),
        (0xA7DA, 0xA7DA, 1), (0xA7DC, 0xA7DC, 0x19B - 0xA7DC), (0x10D50, 0x10D65, 0x20), (0x16EA0, 0x16EB8, 0x1B),
    ];

    public static string Of(string text)
    {
        StringBuilder lower = new(text.Length);
        foreach (Rune rune in text.EnumerateRunes())
        {
            if (rune.Value == 0x130)
            {
                lower.Append("i\u0307");
            }
            else
            {
                lower.Append(Of(rune).ToString());
            }
        }

        return lower.ToString();
    }

    private static Rune Of(Rune rune)
    {
        foreach ((int first, int last, int distance) in Newer)
        {
            if (rune.Value >= first && rune.Value <= last)
            {
                return new Rune(rune.Value + distance);
            }
        }

        return Rune.ToLowerInvariant(rune);
    }
}
