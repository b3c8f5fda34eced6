using System.CommandLine;
using System.CommandLine.Help;
using System.CommandLine.Invocation;

namespace Portable.Cli.CommandLine;

/// <summary>A command line of a help page.</summary>
/// <param name="CommandLine">What to type.</param>
/// <param name="Meaning">What it does, in a few words.</param>
public sealed record Example(string CommandLine, string Meaning);

/// <summary>Help pages with examples under the options.</summary>
public static class Help
{
    /// <summary>Gives a command a help option whose page ends with examples.</summary>
    public static void AddExamples(Command command, IReadOnlyList<Example> examples)
    {
        HelpOption? own = command.Options.OfType<HelpOption>().FirstOrDefault();
        if (own is null)
        {
            own = new HelpOption();
            command.Options.Add(own);
        }

        own.Action = new PageWithExamples(examples);
    }

    private sealed class PageWithExamples(IReadOnlyList<Example> examples) : SynchronousCommandLineAction
    {
        private readonly HelpAction page = new();

        /// <summary>Who asks for help need not give what is required.</summary>
        public override bool ClearsParseErrors => true;

        public override int Invoke(ParseResult parseResult)
        {
            int code = page.Invoke(parseResult);
            TextWriter output = parseResult.InvocationConfiguration.Output;
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
