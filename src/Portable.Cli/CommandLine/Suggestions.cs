namespace Portable.Cli.CommandLine;

/// <summary>What somebody who mistyped a word may have meant.</summary>
internal static class Suggestions
{
    private const int MostEdits = 3;

    /// <summary>The tail of a complaint, "; did you mean 'x'?", or nothing where no known word is near.</summary>
    /// <param name="word">What was typed.</param>
    /// <param name="known">The words that there are, the likelier ones first.</param>
    public static string DidYouMean(string word, IEnumerable<string> known) => Closest(word, known) is { } meant ? $"; did you mean '{meant}'?" : "";

    /// <summary>The nearest known word: at most a third of its letters changed, left out, added or swapped with a neighbour, or one that begins with what was typed.</summary>
    /// <param name="word">What was typed.</param>
    /// <param name="known">The words that there are, the likelier ones first.</param>
    public static string? Closest(string word, IEnumerable<string> known)
    {
        string typed = word.ToUpperInvariant();
        var near = known
            .Select(k => (Word: k, Edits: k.StartsWith(word, StringComparison.OrdinalIgnoreCase) && word.Length > 1 ? 1 : Edits(typed, k.ToUpperInvariant())))
            .Where(p => p.Edits <= Math.Clamp(Math.Max(word.Length, p.Word.Length) / 3, 1, MostEdits))
            .ToList();
        return near.Count == 0 ? null : near.MinBy(p => p.Edits).Word;
    }

    /// <summary>Letters to change, leave out, add or swap (optimal string alignment).</summary>
    private static int Edits(string a, string b)
    {
        int[,] d = new int[a.Length + 1, b.Length + 1];
        for (int i = 0; i <= a.Length; i++)
        {
            for (int j = 0; j <= b.Length; j++)
            {
                d[i, j] = i == 0 || j == 0
                    ? i + j
                    : Math.Min(Math.Min(d[i - 1, j], d[i, j - 1]) + 1, d[i - 1, j - 1] + (a[i - 1] == b[j - 1] ? 0 : 1));
                if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
                {
                    d[i, j] = Math.Min(d[i, j], d[i - 2, j - 2] + 1);
                }
            }
        }

        return d[a.Length, b.Length];
    }
}
