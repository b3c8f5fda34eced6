using System.CommandLine;
using System.Globalization;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Quantization;

namespace Portable.Cli.CommandLine;

/// <summary>Option values that are more than the parser can check; what is wrong with them is bad usage.</summary>
internal static class OptionValues
{
    private static readonly string[] CommonSchemes =
    [
        "W8A8", "W4A8", "W6A6g128", "W2*A8KV8", "W4A4KV4", "W4A16", "W6A8", "W3A8", "W2A8", "W2*A8", "W4A8KV8", "W8A8KV8", "W6A6", "W4A4", "W4A8g128", "W6A8g128", "W3A8KV8", "W2A8KV8", "W8A16", "W4A8H8", "W4A8KV8H8", "W8A8H8", "W4A8H4",
    ];

    /// <summary>The value of an integer option.</summary>
    /// <exception cref="UsageException">It is under the minimum.</exception>
    public static int AtLeast(ParseResult parsed, Option<int> option, int minimum)
    {
        int value = parsed.GetValue(option);
        return value >= minimum ? value : throw new UsageException($"{option.Name} must be at least {minimum}, not {value}");
    }

    /// <summary>A number of threads.</summary>
    /// <exception cref="UsageException">It is under 1, or so many more than there are processors that they would only wait for one another.</exception>
    public static int Threads(ParseResult parsed, Option<int> option)
    {
        const int EachProcessor = 4, Always = 64;
        int value = AtLeast(parsed, option, 1), most = Math.Max(Always, EachProcessor * Environment.ProcessorCount);
        return value <= most ? value : throw new UsageException($"{option.Name} must be at most {most} on {Environment.ProcessorCount} processors, not {value}: more threads wait for one another");
    }

    /// <summary>A scheme.</summary>
    /// <exception cref="UsageException">It is not one.</exception>
    public static QuantizationScheme Scheme(string text)
    {
        if (TryParse(text.Trim()) is { } exact)
        {
            return exact;
        }

        string cased = Cased(text.Trim());
        if (TryParse(cased) is { } meant)
        {
            return meant;
        }

        try
        {
            return QuantizationScheme.Parse(text);
        }
        catch (FormatException e)
        {
            throw new UsageException(e.Message.TrimEnd('.') + Suggestions.DidYouMean(cased, CommonSchemes));
        }
    }

    /// <summary>M×N×K.</summary>
    /// <exception cref="UsageException">It is not three positive numbers.</exception>
    public static (int M, int N, int K) MatmulShape(string text)
    {
        string[] parts = text.Split('x', '×');
        int[] sizes = [.. parts.Select(p => int.TryParse(p, NumberStyles.None, CultureInfo.InvariantCulture, out int size) ? size : 0)];
        return sizes.Length == 3 && sizes.All(s => s > 0) ? (sizes[0], sizes[1], sizes[2]) : throw new UsageException($"--shapes wants M×N×K like 1x4096x4096, not '{text}'");
    }

    /// <summary>A quantization method.</summary>
    /// <exception cref="UsageException">There is none of that name.</exception>
    public static QuantizationMethod Method(string name) =>
        QuantizationMethod.All.FirstOrDefault(m => m.Name.Equals(name, StringComparison.OrdinalIgnoreCase))
        ?? throw new UsageException($"there is no method '{name}'{(Suggestions.DidYouMean(name, QuantizationMethod.All.Select(m => m.Name)) is { Length: > 0 } near ? near : $"; methods: {string.Join(", ", QuantizationMethod.All.Select(m => m.Name))}")}");

    /// <summary>A named model shape.</summary>
    /// <exception cref="UsageException">There is none of that name.</exception>
    public static ModelConfig Shape(string name)
    {
        try
        {
            return ModelShapes.Find(name);
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }
    }

    private static QuantizationScheme? TryParse(string text)
    {
        try
        {
            return QuantizationScheme.Parse(text);
        }
        catch (FormatException)
        {
            return null;
        }
    }

    /// <summary>A scheme with its letters as the grammar has them, however they were typed: all large but those of groups.</summary>
    private static string Cased(string text)
    {
        string large = text.ToUpperInvariant().Replace('G', 'g');
        int activations = large.IndexOf('A', StringComparison.Ordinal);
        return activations < 0 ? large : large[..(activations + 1)] + large[(activations + 1)..].Replace('A', 'a');
    }

    /// <summary>Token ids separated by commas.</summary>
    /// <param name="option">Name of the option, for the error.</param>
    /// <param name="list">Its value.</param>
    /// <exception cref="UsageException">One is no integer.</exception>
    public static int[] Ids(string option, string list)
    {
        string[] words = list.Split(',', StringSplitOptions.TrimEntries);
        int[] ids = new int[words.Length];
        for (int i = 0; i < words.Length; i++)
        {
            if (!int.TryParse(words[i], NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out ids[i]))
            {
                throw new UsageException($"{option} wants integers separated by commas, not '{words[i]}'");
            }
        }

        return ids;
    }

    /// <summary>Words separated by commas.</summary>
    public static string[] List(string text) => text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
