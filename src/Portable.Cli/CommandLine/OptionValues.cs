using System.CommandLine;
using Portable.Models;
using Portable.Reference.Quantization;

namespace Portable.Cli.CommandLine;

/// <summary>Option values that are more than the parser can check; what is wrong with them is bad usage.</summary>
public static class OptionValues
{
    /// <summary>The value of an integer option.</summary>
    /// <exception cref="UsageException">It is under the minimum.</exception>
    public static int AtLeast(ParseResult parsed, Option<int> option, int minimum)
    {
        int value = parsed.GetValue(option);
        return value >= minimum ? value : throw new UsageException($"{option.Name} must be at least {minimum}, not {value}");
    }

    /// <summary>A scheme.</summary>
    /// <exception cref="UsageException">It is not one.</exception>
    public static QuantizationScheme Scheme(string text)
    {
        try
        {
            return QuantizationScheme.Parse(text);
        }
        catch (FormatException e)
        {
            throw new UsageException(e.Message);
        }
    }

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

    /// <summary>Words separated by commas.</summary>
    public static string[] List(string text) => text.Split(',', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries);
}
