using System.Text;
using Portable.Tokenizers.Patterns;

namespace Portable.Tokenizers.Pipeline;

/// <summary>Replacing in texts.</summary>
internal static class PatternReplacement
{
    /// <summary>A text with every match of a pattern replaced.</summary>
    public static string Replace(Pattern pattern, string text, string content)
    {
        StringBuilder result = new(text.Length);
        int end = 0;
        foreach ((int start, int stop) in pattern.Matches(text))
        {
            result.Append(text, end, start - end).Append(content);
            end = stop;
        }

        return result.Append(text, end, text.Length - end).ToString();
    }
}
