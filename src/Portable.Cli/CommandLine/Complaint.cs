using System.CommandLine;
using System.CommandLine.Parsing;
using System.Globalization;
using System.Numerics;

namespace Portable.Cli.CommandLine;

/// <summary>What is wrong with a command line, in words: unknown ones first, for they explain the others.</summary>
internal static class Complaint
{
    /// <summary>The complaint of a command line that did not parse, or null where nothing is wrong with it.</summary>
    public static string? Of(ParseResult parsed) =>
        parsed.UnmatchedTokens.Concat(Swallowed(parsed)).FirstOrDefault() is { } unknown ? Unknown(unknown, parsed.CommandResult.Command, parsed)
        : Values(parsed).FirstOrDefault() ?? (parsed.Errors.Count == 0 ? PathOption.ComplaintOf(parsed) : Missing(parsed) ?? parsed.Errors[0].Message);

    /// <summary>A command's words from the root on.</summary>
    public static string PathOf(Command command) => string.Join(' ', Ancestry(command).Reverse().Select(c => c.Name));

    /// <summary>A word that the command does not know.</summary>
    /// <param name="word">The word.</param>
    /// <param name="command">The command.</param>
    /// <param name="parsed">What else was typed: no option is suggested that a method does not have; null where nothing was.</param>
    public static string Unknown(string word, Command command, ParseResult? parsed = null) =>
        word.StartsWith('-') && Options(command).Any(o => o.Name == word.Split('=')[0]) ? $"'{word}' is no option behind --, which ends options; leave -- out, or give it before the text that begins with -"
        : word.StartsWith('-') ? $"unknown option '{word}'{Suggestions.DidYouMean(word.Split('=')[0], Options(command).Where(o => (!o.Hidden || word.Length > 3) && (parsed is null || o is not MethodSetting own || own.MayBeMeant(parsed))).Select(o => o.Name))}"
        : command.Subcommands.Count > 0 ? $"unknown verb '{word}'{Suggestions.DidYouMean(word, command.Subcommands.Select(c => c.Name))}"
        : $"unknown argument '{word}'; a value of several words needs quotes";

    // An argument that takes any number of words takes a mistyped option for one of them.
    private static IEnumerable<string> Swallowed(ParseResult parsed) => parsed.CommandResult.Command.Arguments
        .Where(a => a.Arity.MaximumNumberOfValues > 1).SelectMany(a => parsed.GetResult(a)?.Tokens ?? []).Select(t => t.Value).Where(w => w.StartsWith("--", StringComparison.Ordinal));

    private static IEnumerable<Command> Ancestry(Command command)
    {
        for (Command? each = command; each is not null; each = each.Parents.OfType<Command>().FirstOrDefault())
        {
            yield return each;
        }
    }

    private static IEnumerable<Option> Options(Command command) => Ancestry(command).SelectMany(c => c.Options.Where(o => c == command || o.Recursive));

    private static IEnumerable<string> Values(ParseResult parsed)
    {
        foreach (Option option in Options(parsed.CommandResult.Command))
        {
            if (parsed.GetResult(option) is not { Implicit: false } result)
            {
                continue;
            }

            string[] words = [.. result.Tokens.Select(t => t.Value)];
            if (words.Length < option.Arity.MinimumNumberOfValues)
            {
                yield return $"{option.Name} wants a value, {option.HelpName ?? "a text"}";
            }
            else if (words.Length > option.Arity.MaximumNumberOfValues || (result.IdentifierTokenCount > 1 && option.Arity.MaximumNumberOfValues <= 1))
            {
                yield return $"{option.Name} is given {Math.Max(words.Length, result.IdentifierTokenCount)} times; once is enough";
            }
            else if (words is [var word] && Kind(option.ValueType, word) is { } wanted)
            {
                yield return $"{option.Name} wants {wanted}, not '{word}'";
            }
        }
    }

    // The parser itself takes "0,7" for 7, and speaks of .NET's types.
    private static string? Kind(Type declared, string word)
    {
        Type type = Nullable.GetUnderlyingType(declared) ?? declared;
        return type == typeof(int) ? Whole(word, int.MinValue, int.MaxValue)
            : type == typeof(long) ? Whole(word, long.MinValue, long.MaxValue)
            : type == typeof(double) && !double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out _) ? "a number, with a point for decimals"
            : null;
    }

    private static string? Whole(string word, long least, long most) =>
        !BigInteger.TryParse(word, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out BigInteger number) ? "a whole number"
        : number > most ? $"a whole number up to {most}" : number < least ? $"a whole number from {least}" : null;

    private static string? Missing(ParseResult parsed)
    {
        Command command = parsed.CommandResult.Command;
        string[] needed =
        [
            .. command.Arguments.Where(a => a.Arity.MinimumNumberOfValues > 0 && parsed.GetResult(a) is null or { Tokens.Count: 0 }).Select(a => a.Name),
            .. command.Options.Where(o => o.Required && parsed.GetResult(o) is null or { Implicit: true }).Select(o => $"{o.Name} {o.HelpName}"),
        ];
        return needed.Length == 0 ? null : $"{PathOf(command)} needs {(needed.Length == 1 ? needed[0] : $"{string.Join(", ", needed[..^1])} and {needed[^1]}")}";
    }
}
