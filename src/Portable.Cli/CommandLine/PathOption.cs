using System.CommandLine;

namespace Portable.Cli.CommandLine;

/// <summary>An option whose value is a file or a directory.</summary>
/// <param name="name">Its name.</param>
internal sealed class PathOption(string name) : Option<string>(name)
{
    // What stands for bytes that are no UTF-8: a name that has it leads elsewhere, to a file of just that name.
    private const char Replacement = '\uFFFD';

    /// <summary>Whether it names a file that the verb writes when its work is done: that it can be is found out before.</summary>
    public bool IsWritten { get; init; }

    /// <summary>The complaint about a path of a command line, options and arguments of verbs alike; null where nothing is wrong.</summary>
    public static string? ComplaintOf(ParseResult parsed)
    {
        Command command = parsed.CommandResult.Command;
        IEnumerable<(string Name, string? Wanted, string Word)> words =
        [
            .. command.Arguments.Where(a => a is DirectoryArgument<string> or DirectoryArgument<string[]>).SelectMany(a => (parsed.GetResult(a)?.Tokens ?? []).Select(t => (a.Name, (string?)"a directory", t.Value))),
            .. command.Options.OfType<PathOption>().SelectMany(o => (parsed.GetResult(o)?.Tokens ?? []).Select(t => (o.Name, o.HelpName, t.Value))),
        ];
        return words.Select(w => ComplaintOf(w.Name, w.Wanted, w.Word)).FirstOrDefault(c => c is not null);
    }

    private static string? ComplaintOf(string name, string? wanted, string word) =>
        word.Length == 0 ? $"{name} wants {wanted}, not an empty text"
        : word.Contains(Replacement, StringComparison.Ordinal) && !Path.Exists(word) ? $"{name} '{word}': a name that is not UTF-8 cannot be opened; rename it"
        : word != "-" && !Path.IsPathFullyQualified(word) && IsElsewhere() ? $"{name} '{word}': the working directory's name is not UTF-8, and files would lie elsewhere; rename it, or give whole paths"
        : null;

    private static bool IsElsewhere()
    {
        try
        {
            return Directory.GetCurrentDirectory().Contains(Replacement, StringComparison.Ordinal);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            // It is gone: opening says so.
            return false;
        }
    }
}
