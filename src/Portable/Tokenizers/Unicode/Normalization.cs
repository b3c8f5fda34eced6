using System.Text;

namespace Portable.Tokenizers.Unicode;

/// <summary>A Unicode normalization form.</summary>
internal enum NormalizationForm
{
    C,
    D,
    KC,
    KD,
}

/// <summary>
/// Unicode normalization (UAX #15) with the tables of Unicode 9.0, which is what the tokenizers package 0.23 normalizes with;
/// .NET's own has other tables, and leaves text as it is where no ICU is installed.
/// </summary>
internal static class Normalization
{
    // Characters below are their own form C, and compose with nothing in front of them.
    private const char FirstComposed = '\u0300';
    private const char FirstDecomposed = '\u00A0';

    private const int LeadBase = 0x1100, VowelBase = 0x1161, TrailBase = 0x11A7, SyllableBase = 0xAC00;
    private const int Leads = 19, Vowels = 21, Trails = 28, Syllables = Leads * Vowels * Trails;

    private static readonly Dictionary<int, int[]> Canonical = [];
    private static readonly Dictionary<int, int[]> Compatible = [];
    private static readonly Dictionary<(int First, int Second), int> Compositions = [];
    private static readonly Dictionary<int, int> Classes = [];

    static Normalization()
    {
        foreach (string line in UnicodeData.Lines("normalization.txt"))
        {
            string[] fields = line[1..].Split(' ');
            if (line[0] == '@')
            {
                for (int c = UnicodeData.Hex(fields[0]); c <= UnicodeData.Hex(fields[1]); c++)
                {
                    Classes.Add(c, int.Parse(fields[2], System.Globalization.CultureInfo.InvariantCulture));
                }

                continue;
            }

            int[] parts = [.. fields.Skip(1).Select(UnicodeData.Hex)];
            (line[0] == '~' ? Compatible : Canonical).Add(UnicodeData.Hex(fields[0]), parts);
            if (line[0] == '+')
            {
                Compositions.Add((parts[0], parts[1]), UnicodeData.Hex(fields[0]));
            }
        }
    }

    /// <summary>A text in a form; the text itself where it is in that form by its characters alone.</summary>
    public static string Normalize(string text, NormalizationForm form)
    {
        char first = form == NormalizationForm.C ? FirstComposed : FirstDecomposed;
        int next = text.AsSpan().IndexOfAnyInRange(first, '\uFFFF');
        if (next < 0)
        {
            return text;
        }

        // Characters below the first that is changed stay, and nothing reaches over them: only a run of others is worked on,
        // with the one in front of it, that marks may join.
        StringBuilder result = new(text.Length);
        List<int> characters = [];
        int done = 0;
        while (next >= 0)
        {
            int start = Math.Max(done, next - 1), length = text.AsSpan(next).IndexOfAnyExceptInRange(first, '\uFFFF');
            int end = length < 0 ? text.Length : next + length;
            result.Append(text, done, start - done);
            Normalize(text.AsSpan(start, end - start), form, characters, result);
            done = end;
            next = text.AsSpan(done).IndexOfAnyInRange(first, '\uFFFF') is >= 0 and int more ? done + more : -1;
        }

        return result.Append(text, done, text.Length - done).ToString();
    }

    private static void Normalize(ReadOnlySpan<char> text, NormalizationForm form, List<int> characters, StringBuilder result)
    {
        characters.Clear();
        bool compatible = form is NormalizationForm.KC or NormalizationForm.KD;
        foreach (Rune rune in text.EnumerateRunes())
        {
            Decompose(rune.Value, characters, compatible);
        }

        Order(characters);
        foreach (int c in form is NormalizationForm.C or NormalizationForm.KC ? Compose(characters) : characters)
        {
            if (c < 0x10000)
            {
                result.Append((char)c);
            }
            else
            {
                result.Append(new Rune(c).ToString());
            }
        }
    }

    private static void Decompose(int c, List<int> characters, bool compatible)
    {
        int syllable = c - SyllableBase;
        if (c < FirstDecomposed)
        {
            characters.Add(c);
        }
        else if (syllable is >= 0 and < Syllables)
        {
            characters.Add(LeadBase + (syllable / (Vowels * Trails)));
            characters.Add(VowelBase + (syllable % (Vowels * Trails) / Trails));
            if (syllable % Trails != 0)
            {
                characters.Add(TrailBase + (syllable % Trails));
            }
        }
        else if (Canonical.TryGetValue(c, out int[]? parts) || (compatible && Compatible.TryGetValue(c, out parts)))
        {
            foreach (int part in parts)
            {
                Decompose(part, characters, compatible);
            }
        }
        else
        {
            characters.Add(c);
        }
    }

    /// <summary>Marks on one base in ascending class, equal classes in their order; near-linear for any number of marks.</summary>
    private static void Order(List<int> characters)
    {
        for (int start = 0; start < characters.Count; start++)
        {
            if (Class(characters[start]) == 0)
            {
                continue;
            }

            int end = start + 1;
            bool sorted = true;
            for (; end < characters.Count && Class(characters[end]) is > 0 and int own; end++)
            {
                sorted &= Class(characters[end - 1]) <= own;
            }

            if (!sorted)
            {
                int[] marks = [.. characters.GetRange(start, end - start).OrderBy(Class)];
                for (int i = 0; i < marks.Length; i++)
                {
                    characters[start + i] = marks[i];
                }
            }

            start = end;
        }
    }

    /// <summary>Joins each character with the last starter in front of it unless a mark in between blocks it.</summary>
    private static List<int> Compose(List<int> characters)
    {
        List<int> result = new(characters.Count);
        int starter = -1, lastClass = 0;
        foreach (int c in characters)
        {
            int own = Class(c);
            bool blocked = result.Count - 1 != starter && lastClass >= own;
            if (starter >= 0 && !blocked && Pair(result[starter], c) is { } joined)
            {
                result[starter] = joined;
                continue;
            }

            if (own == 0)
            {
                starter = result.Count;
            }

            lastClass = own;
            result.Add(c);
        }

        return result;
    }

    private static int? Pair(int first, int second)
    {
        if (second < FirstComposed)
        {
            return null;
        }

        int lead = first - LeadBase, vowel = second - VowelBase, syllable = first - SyllableBase, trail = second - TrailBase;
        if (lead is >= 0 and < Leads && vowel is >= 0 and < Vowels)
        {
            return SyllableBase + (((lead * Vowels) + vowel) * Trails);
        }

        if (syllable is >= 0 and < Syllables && syllable % Trails == 0 && trail is > 0 and < Trails)
        {
            return first + trail;
        }

        return Compositions.TryGetValue((first, second), out int composed) ? composed : null;
    }

    private static int Class(int c) => c < FirstComposed ? 0 : Classes.GetValueOrDefault(c);
}
