using System.Globalization;
using System.Text;

namespace Portable.Tokenizers;

/// <summary>
/// Unicode normalization form C (UAX #15), which some tokenizers ask for. .NET's own leaves text as it is where no ICU is
/// installed or invariant globalization is on, and token ids must not depend on that.
/// </summary>
internal static class CanonicalComposition
{
    // Characters below are their own form C and compose with nothing in front of them.
    private const char FirstAffected = '\u0300';

    private const int LeadBase = 0x1100, VowelBase = 0x1161, TrailBase = 0x11A7, SyllableBase = 0xAC00;
    private const int Leads = 19, Vowels = 21, Trails = 28, Syllables = Leads * Vowels * Trails;

    private static readonly Dictionary<int, int[]> Decompositions = [];
    private static readonly Dictionary<(int First, int Second), int> Compositions = [];
    private static readonly Dictionary<int, int> Classes = [];

    static CanonicalComposition()
    {
        using Stream stream = typeof(CanonicalComposition).Assembly.GetManifestResourceStream("Portable.Tokenizers.composition.txt")!;
        using StreamReader reader = new(stream);
        while (reader.ReadLine() is { } line)
        {
            string[] fields = line[1..].Split(' ');
            switch (line[0])
            {
                case '@':
                    for (int c = Hex(fields[0]); c <= Hex(fields[1]); c++)
                    {
                        Classes.Add(c, int.Parse(fields[2], CultureInfo.InvariantCulture));
                    }

                    break;
                case '+' or '=':
                    int[] parts = [.. fields.Skip(1).Select(Hex)];
                    Decompositions.Add(Hex(fields[0]), parts);
                    if (line[0] == '+')
                    {
                        Compositions.Add((parts[0], parts[1]), Hex(fields[0]));
                    }

                    break;
            }
        }
    }

    /// <summary>The form C of a text.</summary>
    public static string Compose(string text)
    {
        if (!text.AsSpan().ContainsAnyInRange(FirstAffected, '\uFFFF'))
        {
            return text;
        }

        List<int> characters = [];
        foreach (Rune rune in text.EnumerateRunes())
        {
            Decompose(rune.Value, characters);
        }

        Order(characters);
        StringBuilder composed = new(text.Length);
        foreach (int c in Compose(characters))
        {
            composed.Append(new Rune(c).ToString());
        }

        return composed.ToString();
    }

    private static void Decompose(int c, List<int> characters)
    {
        int syllable = c - SyllableBase;
        if (syllable is >= 0 and < Syllables)
        {
            characters.Add(LeadBase + (syllable / (Vowels * Trails)));
            characters.Add(VowelBase + (syllable % (Vowels * Trails) / Trails));
            if (syllable % Trails != 0)
            {
                characters.Add(TrailBase + (syllable % Trails));
            }
        }
        else if (Decompositions.TryGetValue(c, out int[]? parts))
        {
            foreach (int part in parts)
            {
                Decompose(part, characters);
            }
        }
        else
        {
            characters.Add(c);
        }
    }

    /// <summary>Marks on one base in ascending class, equal classes in their order.</summary>
    private static void Order(List<int> characters)
    {
        for (int i = 1; i < characters.Count; i++)
        {
            int c = characters[i], own = Class(c), j = i;
            for (; own > 0 && j > 0 && Class(characters[j - 1]) > own; j--)
            {
                characters[j] = characters[j - 1];
            }

            characters[j] = c;
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
        int lead = first - LeadBase, vowel = second - VowelBase, syllable = first - SyllableBase, trail = second - TrailBase;
        if (lead is >= 0 and < Leads && vowel is >= 0 and < Vowels)
        {
            return SyllableBase + (((lead * Vowels) + vowel) * Trails);
        }

        if (syllable is >= 0 and < Syllables && syllable % Trails == 0 && trail is > 0 and < Trails)
        {
            return first + trail;
        }

        return Compositions.TryGetValue((first, second), out int joined) ? joined : null;
    }

    private static int Class(int c) => Classes.GetValueOrDefault(c);

    private static int Hex(string text) => int.Parse(text, NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture);
}
