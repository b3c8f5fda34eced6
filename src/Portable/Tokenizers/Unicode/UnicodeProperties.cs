using System.Globalization;

namespace Portable.Tokenizers.Unicode;

/// <summary>
/// Properties of code points as the tokenizers package 0.23 sees them: its patterns (Oniguruma 6.9.10) know Unicode 16.0, and
/// so do .NET 10's categories (a test holds their hash); what Rust's standard library and older crates say elsewhere in that
/// package is stated where it differs.
/// </summary>
internal static class UnicodeProperties
{
    private static readonly Lazy<Dictionary<UnicodeCategory, CodePointSet>> Categories = new(ReadCategories);
    private static readonly Lazy<Dictionary<string, CodePointSet>> Scripts = new(ReadScripts);

    private static readonly Dictionary<string, UnicodeCategory[]> CategoryNames = new()
    {
        ["lu"] = [UnicodeCategory.UppercaseLetter], ["ll"] = [UnicodeCategory.LowercaseLetter], ["lt"] = [UnicodeCategory.TitlecaseLetter],
        ["lm"] = [UnicodeCategory.ModifierLetter], ["lo"] = [UnicodeCategory.OtherLetter],
        ["mn"] = [UnicodeCategory.NonSpacingMark], ["mc"] = [UnicodeCategory.SpacingCombiningMark], ["me"] = [UnicodeCategory.EnclosingMark],
        ["nd"] = [UnicodeCategory.DecimalDigitNumber], ["nl"] = [UnicodeCategory.LetterNumber], ["no"] = [UnicodeCategory.OtherNumber],
        ["pc"] = [UnicodeCategory.ConnectorPunctuation], ["pd"] = [UnicodeCategory.DashPunctuation], ["ps"] = [UnicodeCategory.OpenPunctuation],
        ["pe"] = [UnicodeCategory.ClosePunctuation], ["pi"] = [UnicodeCategory.InitialQuotePunctuation], ["pf"] = [UnicodeCategory.FinalQuotePunctuation],
        ["po"] = [UnicodeCategory.OtherPunctuation],
        ["sm"] = [UnicodeCategory.MathSymbol], ["sc"] = [UnicodeCategory.CurrencySymbol], ["sk"] = [UnicodeCategory.ModifierSymbol], ["so"] = [UnicodeCategory.OtherSymbol],
        ["zs"] = [UnicodeCategory.SpaceSeparator], ["zl"] = [UnicodeCategory.LineSeparator], ["zp"] = [UnicodeCategory.ParagraphSeparator],
        ["cc"] = [UnicodeCategory.Control], ["cf"] = [UnicodeCategory.Format], ["cs"] = [UnicodeCategory.Surrogate], ["co"] = [UnicodeCategory.PrivateUse],
        ["cn"] = [UnicodeCategory.OtherNotAssigned],
    };

    private static readonly Dictionary<string, string> LongNames = new()
    {
        ["letter"] = "l", ["mark"] = "m", ["combiningmark"] = "m", ["number"] = "n", ["punctuation"] = "p", ["symbol"] = "s", ["separator"] = "z", ["other"] = "c",
        ["uppercaseletter"] = "lu", ["lowercaseletter"] = "ll", ["titlecaseletter"] = "lt", ["modifierletter"] = "lm", ["otherletter"] = "lo",
        ["nonspacingmark"] = "mn", ["spacingmark"] = "mc", ["enclosingmark"] = "me", ["decimalnumber"] = "nd", ["letternumber"] = "nl", ["othernumber"] = "no",
        ["connectorpunctuation"] = "pc", ["dashpunctuation"] = "pd", ["openpunctuation"] = "ps", ["closepunctuation"] = "pe",
        ["initialpunctuation"] = "pi", ["finalpunctuation"] = "pf", ["otherpunctuation"] = "po",
        ["mathsymbol"] = "sm", ["currencysymbol"] = "sc", ["modifiersymbol"] = "sk", ["othersymbol"] = "so",
        ["spaceseparator"] = "zs", ["lineseparator"] = "zl", ["paragraphseparator"] = "zp", ["control"] = "cc", ["format"] = "cf", ["privateuse"] = "co", ["unassigned"] = "cn",
    };

    /// <summary>White_Space: 25 code points, the same in every version since Unicode 6.3.</summary>
    public static CodePointSet WhiteSpace { get; } = CodePointSet.Ranges(
        9, 13, ' ', ' ', 0x85, 0x85, 0xA0, 0xA0, 0x1680, 0x1680, 0x2000, 0x200A, 0x2028, 0x2029, 0x202F, 0x202F, 0x205F, 0x205F, 0x3000, 0x3000);

    /// <summary>ASCII hexadecimal digits.</summary>
    public static CodePointSet HexDigits { get; } = CodePointSet.Ranges('0', '9', 'A', 'F', 'a', 'f');

    /// <summary>\w of Rust's regex crate: alphabetic, marks, decimal digits, connectors, joiners. Added tokens ask for it.</summary>
    public static CodePointSet Word => Words.Value.Rust;

    /// <summary>\w of Oniguruma on its own, which has the superscripts and fractions of Latin-1; but no joiners.</summary>
    public static CodePointSet PatternWord => Words.Value.Oniguruma;

    /// <summary>\w of Oniguruma within [ ]: without those.</summary>
    public static CodePointSet ClassWord => Words.Value.Class;

    /// <summary>Numeric characters of Rust's standard library, which is at Unicode 17.0: 13 more than in 16.0.</summary>
    public static CodePointSet Numeric => Numbers.Value;

    /// <summary>
    /// What the Punctuation step splits at: ASCII's 32 signs and the punctuation of the crate unicode_categories, which is as
    /// old as Unicode 8.0; the ranges are what it does not have yet, and two characters that are no punctuation any more.
    /// </summary>
    public static CodePointSet Punctuation => Punctuations.Value;

    private static readonly Lazy<(CodePointSet Rust, CodePointSet Oniguruma, CodePointSet Class)> Words = new(() =>
    {
        // Other_Alphabetic beyond letters and marks: circled and squared Latin letters.
        CodePointSet common = Category("l")!.Union(Category("m")!).Union(Category("nd")!).Union(Category("nl")!).Union(Category("pc")!)
            .Union(CodePointSet.Ranges(0x24B6, 0x24E9, 0x1F130, 0x1F149, 0x1F150, 0x1F169, 0x1F170, 0x1F189));
        return (common.Union(CodePointSet.Range(0x200C, 0x200D)), common.Union(CodePointSet.Of(0xB2, 0xB3, 0xB9, 0xBC, 0xBD, 0xBE)), common);
    });

    private static readonly Lazy<CodePointSet> Numbers = new(() => Category("n")!.Union(CodePointSet.Ranges(0x11DE0, 0x11DE9, 0x16FF4, 0x16FF6)));

    private static readonly Lazy<CodePointSet> Punctuations = new(() => Category("p")!
        .Union(CodePointSet.Ranges('!', '/', ':', '@', '[', '`', '{', '~', 0x166D, 0x166D, 0x111C9, 0x111C9))
        .Except(CodePointSet.Ranges(
            0x61D, 0x61D, 0x9FD, 0x9FD, 0xA76, 0xA76, 0xC77, 0xC77, 0xC84, 0xC84, 0x1B4E, 0x1B4F, 0x1B7D, 0x1B7F, 0x2E43, 0x2E4F, 0x2E52, 0x2E5D,
            0x10D6E, 0x10D6E, 0x10EAD, 0x10EAD, 0x10F55, 0x10F59, 0x10F86, 0x10F89, 0x113D4, 0x113D5, 0x113D7, 0x113D8, 0x1144B, 0x1144F,
            0x1145A, 0x1145B, 0x1145D, 0x1145D, 0x11660, 0x1166C, 0x116B9, 0x116B9, 0x1183B, 0x1183B, 0x11944, 0x11946, 0x119E2, 0x119E2,
            0x11A3F, 0x11A46, 0x11A9A, 0x11A9C, 0x11A9E, 0x11AA2, 0x11B00, 0x11B09, 0x11BE1, 0x11BE1, 0x11C41, 0x11C45, 0x11C70, 0x11C71,
            0x11EF7, 0x11EF8, 0x11F43, 0x11F4F, 0x11FFF, 0x11FFF, 0x12FF1, 0x12FF2, 0x16D6D, 0x16D6F, 0x16E97, 0x16E9A, 0x16FE2, 0x16FE2,
            0x1E5FF, 0x1E5FF, 0x1E95E, 0x1E95F)));

    /// <summary>
    /// The set that \p{name} means: a general category, short or long, a script of scripts.txt, Any or Assigned; null for
    /// another name. Case, spaces, hyphens and underscores do not matter.
    /// </summary>
    public static CodePointSet? ByName(string name)
    {
        string key = string.Concat(name.Where(c => c is not (' ' or '-' or '_'))).ToLowerInvariant();
        return key switch
        {
            "any" => CodePointSet.All,
            "assigned" => Category("cn")!.Complement(),
            _ => Category(LongNames.GetValueOrDefault(key, key)) ?? Scripts.Value.GetValueOrDefault(key),
        };
    }

    /// <summary>The set that [:name:] means; null for another name, or one whose table is not here.</summary>
    public static CodePointSet? ByPosixName(string name) => name switch
    {
        "digit" => Category("nd"),
        "space" => WhiteSpace,
        "word" => ClassWord,
        "xdigit" => HexDigits,
        "punct" => Category("p")!.Union(Category("s")!),
        "ascii" => CodePointSet.Range(0, 0x7F),
        "cntrl" => Category("cc"),
        "blank" => Category("zs")!.Union(CodePointSet.Of('\t')),
        _ => null,
    };

    /// <summary>A general category ("lu") or a whole group of them ("l"); null for another name.</summary>
    public static CodePointSet? Category(string key)
    {
        CodePointSet? set = null;
        foreach ((string name, UnicodeCategory[] categories) in CategoryNames)
        {
            if (name == key || (key.Length == 1 && name[0] == key[0]))
            {
                foreach (UnicodeCategory category in categories)
                {
                    set = (set ?? CodePointSet.None).Union(Categories.Value.GetValueOrDefault(category, CodePointSet.None));
                }
            }
        }

        return set;
    }

    private static Dictionary<UnicodeCategory, CodePointSet> ReadCategories()
    {
        Dictionary<UnicodeCategory, List<int>> bounds = [];
        UnicodeCategory? current = null;
        int start = 0;
        for (int c = 0; c <= CodePointSet.Last + 1; c++)
        {
            UnicodeCategory? category = c > CodePointSet.Last ? null : CharUnicodeInfo.GetUnicodeCategory(c);
            if (category == current)
            {
                continue;
            }

            if (current is { } ended)
            {
                if (!bounds.TryGetValue(ended, out List<int>? list))
                {
                    bounds.Add(ended, list = []);
                }

                list.AddRange([start, c - 1]);
            }

            (current, start) = (category, c);
        }

        return bounds.ToDictionary(p => p.Key, p => CodePointSet.Sorted([.. p.Value]));
    }

    private static Dictionary<string, CodePointSet> ReadScripts()
    {
        Dictionary<string, CodePointSet> scripts = [];
        foreach (string[] fields in UnicodeData.Lines("scripts.txt").Select(line => line.Split(' ')))
        {
            scripts.Add(fields[0].ToLowerInvariant(), CodePointSet.Sorted([.. fields.Skip(1).SelectMany(range => range.Split('-') is [var first, var last]
                ? new[] { UnicodeData.Hex(first), UnicodeData.Hex(last) } : [UnicodeData.Hex(range), UnicodeData.Hex(range)])]));
        }

        return scripts;
    }
}
