using System.CommandLine;

namespace Portable.Cli.CommandLine;

/// <summary>An option of single methods of quantization.</summary>
/// <param name="name">Its name.</param>
/// <param name="method">The option that names the method.</param>
/// <param name="methods">The methods that have it.</param>
internal sealed class MethodSetting(string name, Option<string> method, string[] methods) : Option<string?>(name)
{
    /// <summary>Whether it may be meant: the method that was typed has it, or none was typed.</summary>
    /// <param name="parsed">What was typed.</param>
    public bool MayBeMeant(ParseResult parsed) =>
        parsed.GetResult(method) is not { Implicit: false, Tokens: [var word, ..] } || methods.Contains(word.Value, StringComparer.OrdinalIgnoreCase);
}
