using System.Globalization;

namespace Portable.Quantization;

/// <summary>An option that a method understands beyond the common ones.</summary>
/// <param name="Name">As on the command line, without dashes (a8-budget).</param>
/// <param name="Default">Value when absent.</param>
/// <param name="Help">One line: meaning, unit, range.</param>
public sealed record MethodOption(string Name, string Default, string Help)
{
    /// <summary>What an empty default stands for, in the words that the option takes; help shows it.</summary>
    public string Implied { get; init; } = "";

    /// <summary>The value that manifests leave out, being what was done before there was the option; null = every value is named.</summary>
    internal string? Unrecorded { get; init; }
}

/// <summary>
/// The options of a quantization: the common ones, and named ones that belong to single methods. A method reads what it
/// knows; options that it does not use are accepted and named in a message.
/// </summary>
internal sealed record MethodOptions
{
    /// <summary>The calibration text, or null.</summary>
    public string? CalibrationText { get; init; }

    /// <summary>Calibration windows.</summary>
    public int Samples { get; init; } = 128;

    /// <summary>Tokens per calibration window.</summary>
    public int Context { get; init; } = 512;

    /// <summary>Seed of every random choice.</summary>
    public int Seed { get; init; }

    /// <summary>Options of single methods by name.</summary>
    public IReadOnlyDictionary<string, string> Named { get; init; } = new Dictionary<string, string>();

    /// <summary>These options without those that only spell out what an absent one stands for: two ways to ask for one thing are one thing in manifests.</summary>
    /// <param name="options">The method's options, the first to be left out first.</param>
    /// <param name="meaning">What the method makes of options; equal where the result is.</param>
    /// <remarks>A value that manifests leave out stays: it gives the manifests from before there was the option.</remarks>
    public MethodOptions WithoutDefaults(IEnumerable<MethodOption> options, Func<MethodOptions, object> meaning)
    {
        MethodOptions shortest = this;
        object meant = meaning(this);
        foreach (MethodOption option in options.Where(o => Named.ContainsKey(o.Name) && Text(o) != o.Unrecorded))
        {
            MethodOptions without = shortest with { Named = shortest.Named.Where(n => n.Key != option.Name).ToDictionary() };
            if (meaning(without).Equals(meant))
            {
                shortest = without;
            }
        }

        return shortest;
    }

    /// <summary>A named option's text.</summary>
    public string Text(MethodOption option) => Named.TryGetValue(option.Name, out string? value) ? value : option.Default;

    /// <summary>A named option's number.</summary>
    /// <exception cref="MethodUsageException">Not a number, or outside the range.</exception>
    public double Number(MethodOption option, double minimum, double maximum)
    {
        string text = Text(option);
        if (!double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value) || !(value >= minimum && value <= maximum))
        {
            throw new MethodUsageException(string.Create(CultureInfo.InvariantCulture, $"{option.Name} must be a number within {minimum} … {maximum}, not '{text}'."), option.Name);
        }

        return value;
    }

    /// <summary>A named option that is on or off.</summary>
    /// <exception cref="MethodUsageException">Another word.</exception>
    public bool Switch(MethodOption option) => Choice(option, "off", "on") == "on";

    /// <summary>A named option with a closed set of values.</summary>
    /// <exception cref="MethodUsageException">Another word.</exception>
    public string Choice(MethodOption option, params ReadOnlySpan<string> allowed)
    {
        string text = Text(option);
        return allowed.Contains(text)
            ? text
            : throw new MethodUsageException($"{option.Name} is one of {string.Join(", ", allowed.ToArray())}, not '{text}'.", option.Name);
    }
}

/// <summary>A scheme or option that a method cannot serve: bad usage, with a message that says what would work.</summary>
/// <param name="message">One line; it begins with the name of the option, where one is at fault.</param>
/// <param name="option">Name of the option at fault, or null.</param>
public sealed class MethodUsageException(string message, string? option = null) : Exception(message)
{
    /// <summary>Name of the option at fault, or null.</summary>
    public string? Option => option;
}
