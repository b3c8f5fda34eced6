using System.CommandLine;
using Portable.Quantization;

namespace Portable.Cli.CommandLine;

/// <summary>The own options of quantization methods on a command line: one option per name over all methods.</summary>
internal sealed class MethodArguments
{
    private readonly Option<string> _method;

    /// <summary>Makes them.</summary>
    /// <param name="method">The option that names the method.</param>
    public MethodArguments(Option<string> method)
    {
        _method = method;
        Options =
        [
            .. QuantizationMethod.All
                .SelectMany(m => m.Options.Select(o => (Method: m, Option: o)))
                .GroupBy(p => p.Option.Name)
                .Select(g => new MethodSetting("--" + g.Key, method, [.. g.Select(p => p.Method.Name)])
                {
                    Description = string.Join("; ", g.Select(p => $"{p.Method.Name}: {p.Option.Help}{(p.Option.Default.Length > 0 ? $" [{p.Option.Default}]" : "")}")),
                    HelpName = "V",
                    Hidden = true,
                }),
        ];
    }

    /// <summary>The options; those of the method that was typed are shown by <see cref="Arrange"/>, the others hidden.</summary>
    public IReadOnlyList<Option<string?>> Options { get; }

    /// <summary>A page shows the options of no method, or those of the one that was typed, with its defaults.</summary>
    /// <param name="parsed">What was typed beside --help.</param>
    /// <param name="command">The command line without options.</param>
    /// <returns>What stands above the examples.</returns>
    public string Arrange(ParseResult parsed, string command)
    {
        if (parsed.GetResult(_method) is not { Implicit: false, Tokens: [var word, ..] })
        {
            return $"A method's own options, with their defaults: {command} --method NAME --help";
        }

        QuantizationMethod chosen = OptionValues.Method(word.Value);
        foreach (Option<string?> option in Options)
        {
            if (chosen.Options.FirstOrDefault(o => "--" + o.Name == option.Name) is { } own)
            {
                option.Hidden = false;
                option.Description = $"{own.Help} [default: {(own.Default.Length > 0 ? own.Default : own.Implied)}]";
            }
        }

        return $"{chosen.Name}: {chosen.Summary}{(chosen.Options.Count > 0 ? "" : "; it has no options of its own")}.";
    }

    /// <summary>A method with those of its options that were typed.</summary>
    /// <param name="parsed">What was typed.</param>
    /// <param name="method">The method.</param>
    /// <param name="warn">Told of each option that was typed and is not the method's, a line each.</param>
    public QuantizationMethod Apply(ParseResult parsed, QuantizationMethod method, Action<string> warn)
    {
        QuantizationMethod chosen = method;
        foreach (Option<string?> option in Options)
        {
            if (parsed.GetValue(option) is { } value)
            {
                string own = option.Name.TrimStart('-');
                if (method.Options.Any(o => o.Name == own))
                {
                    chosen = chosen.With(own, value);
                }
                else
                {
                    warn($"{option.Name} is not used by --method {method.Name}");
                }
            }
        }

        return chosen;
    }
}
