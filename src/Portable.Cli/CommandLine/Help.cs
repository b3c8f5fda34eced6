using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Portable.Cli.CommandLine;

/// <summary>A command line of a help page.</summary>
/// <param name="CommandLine">What to type.</param>
/// <param name="Meaning">What it does, in a few words.</param>
internal sealed record Example(string CommandLine, string Meaning);

/// <summary>Help pages with examples under the options.</summary>
internal static class Help
{
    /// <summary>Gives a command a help option whose page ends with examples.</summary>
    /// <param name="command">The command.</param>
    /// <param name="examples">The examples.</param>
    /// <param name="arrange">Fits the page to what else was typed, before it is printed; what it returns stands above the examples.</param>
    public static void AddExamples(Command command, IReadOnlyList<Example> examples, Func<ParseResult, string?>? arrange = null)
    {
        HelpOption? own = command.Options.OfType<HelpOption>().FirstOrDefault();
        if (own is null)
        {
            own = new HelpOption();
            command.Options.Add(own);
        }

        own.Action = new PageWithExamples(examples, arrange);
    }

    // A page that is no terminal's has lines of 80 characters, too.
    private static HelpAction CreatePage()
    {
        const int Width = 80;
        var page = new HelpAction();
        if (Console.IsOutputRedirected)
        {
            page.MaxWidth = Width;
        }

        return page;
    }

    /// <summary>Prints the page of the command that was typed.</summary>
    public static int Show(ParseResult parsed) => CreatePage().Invoke(parsed);

    /// <summary>Creates the verb <c>help</c>, which prints the page of another.</summary>
    /// <param name="root">The command that has the verbs.</param>
    public static Command CreateVerb(Command root)
    {
        var words = new Argument<string[]>("VERB") { Description = "The verb, for example quantize, or bench matmul.", Arity = ArgumentArity.ZeroOrMore };
        var verb = new Command("help", "Prints the page of a verb.") { words };
        verb.Options.Add(new HelpOption());
        verb.SetAction(parsed =>
        {
            Command about = root;
            foreach (string word in parsed.GetValue(words) ?? [])
            {
                about = about.Subcommands.FirstOrDefault(c => c.Name == word) ?? throw new UsageException(Complaint.Unknown(word, about));
            }

            return root.Parse([.. (parsed.GetValue(words) ?? []), "--help"], parsed.Configuration).Invoke(parsed.InvocationConfiguration);
        });
        return verb;
    }

    private sealed class PageWithExamples(IReadOnlyList<Example> examples, Func<ParseResult, string?>? arrange) : SynchronousCommandLineAction
    {
        private readonly HelpAction _page = CreatePage();

        /// <summary>Who asks for help need not give what is required.</summary>
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            string? note = arrange?.Invoke(parseResult);
            int code = _page.Invoke(parseResult);
            TextWriter output = parseResult.InvocationConfiguration.Output;
            if (note is not null)
            {
                output.WriteLine(note);
                output.WriteLine();
            }

            output.WriteLine("Examples:");
            foreach (Example example in examples)
            {
                output.WriteLine($"  {example.CommandLine}");
                output.WriteLine($"      {example.Meaning}");
            }

            return code;
        }
    }
}
