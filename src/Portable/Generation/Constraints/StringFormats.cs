namespace Portable.Generation.Constraints;

/// <summary>Formats of strings (JSON Schema validation, section 7.3) as regular expressions. Each matches texts of the format only, and all but the most unusual of them.</summary>
internal static class StringFormats
{
    // A year of which February has 29 days: four divides its last two digits, or, where these are 00, its first two.
    private const string Fours = "0[48]|[2468][048]|[13579][26]", Leap = $"([0-9]{{2}}({Fours})|(00|{Fours})00)";
    private const string Months = "((0[13578]|1[02])-(0[1-9]|[12][0-9]|3[01])|(0[469]|11)-(0[1-9]|[12][0-9]|30)|02-(0[1-9]|1[0-9]|2[0-8]))";
    private const string Day = $"([0-9]{{4}}-{Months}|{Leap}-02-29)";
    private const string Time = "([01][0-9]|2[0-3]):[0-5][0-9]:[0-5][0-9](\\.[0-9]{1,9})?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])";
    private const string Number = "[0-9]{1,9}", Hex = "[0-9a-fA-F]", Group = "[0-9a-fA-F]{1,4}", Octet = "(25[0-5]|2[0-4][0-9]|1[0-9]{2}|[1-9]?[0-9])";
    private const string Label = "[A-Za-z0-9]([A-Za-z0-9-]{0,61}[A-Za-z0-9])?", Word = "[A-Za-z0-9_%+-]{1,64}";
    private const string UriCharacter = "([A-Za-z0-9._~:/?@!$&'()*+,;=-]|%[0-9a-fA-F]{2})";
    private static readonly Dictionary<string, string> Patterns = new(StringComparer.Ordinal)
    {
        ["date"] = Day,
        ["time"] = Time,
        ["date-time"] = $"{Day}T{Time}",
        ["duration"] = Duration(),
        ["uuid"] = $"{Hex}{{8}}(-{Hex}{{4}}){{3}}-{Hex}{{12}}",
        ["ipv4"] = $"{Octet}(\\.{Octet}){{3}}",
        ["ipv6"] = Ipv6(),
        ["hostname"] = $"{Label}(\\.{Label}){{0,7}}",
        ["email"] = $"{Word}(\\.{Word}){{0,7}}@({Label}\\.){{1,7}}[A-Za-z]{{2,24}}",
        ["uri"] = $"[A-Za-z][A-Za-z0-9+.-]{{0,31}}:{UriCharacter}{{1,500}}(#{UriCharacter}{{0,100}})?",
    };

    /// <summary>Names of the formats.</summary>
    public static IEnumerable<string> Names => Patterns.Keys;

    /// <summary>The expression of a format, between ^ and $; null where there is none.</summary>
    public static string? PatternOf(string format) => Patterns.TryGetValue(format, out string? pattern) ? $"^{pattern}$" : null;

    // RFC 3339, appendix A.
    private static string Duration()
    {
        string second = $"{Number}S", minute = $"{Number}M({second})?", hour = $"{Number}H({minute})?", time = $"T({hour}|{minute}|{second})";
        string day = $"{Number}D", month = $"{Number}M({day})?", year = $"{Number}Y({month})?";
        return $"P(({year}|{month}|{day})({time})?|{time}|{Number}W)";
    }

    // RFC 4291, section 2.2, without the form that ends as IPv4.
    private static string Ipv6()
    {
        string[] cut = [.. Enumerable.Range(1, 6).Select(before => $"({Group}:){{1,{before}}}(:{Group}){{1,{7 - before}}}")];
        return $"(({Group}:){{7}}{Group}|({Group}:){{1,7}}:|{string.Join('|', cut)}|:(:{Group}){{1,7}}|::)";
    }
}
