using System.CommandLine;
using System.CommandLine.Help;
using Portable.Cli.Benchmarking;
using Portable.Cli.CommandLine;
using Portable.Cli.Verbs;

namespace Portable.Cli;

/// <summary>The verbs of the tool: one that is here is offered, documented and tested.</summary>
internal static class CommandTree
{
    // Words and what they stand for. A command line names one of them: the others need not be made to run it.
    private static readonly (string Name, Func<Command> Create)[] Verbs =
    [
        ("devices", () => new DevicesVerb()), ("verify", () => new VerifyVerb()), ("quantize", () => new QuantizeVerb()), ("perplexity", () => new PerplexityVerb()),
        ("compare", () => new CompareVerb()), ("generate", () => new GenerateVerb()), ("chat", () => new ChatVerb()), ("serve", () => new ServeVerb()),
        ("render", () => new RenderVerb()), ("logits", () => new LogitsVerb()), ("tokenize", () => new TokenizeVerb()), ("inspect", () => new InspectVerb()), ("bench", CreateBench),
    ];

    /// <summary>How arguments are read.</summary>
    public static ParserConfiguration Settings { get; } = new()
    {
        EnablePosixBundling = false,
        // A prompt may start with '@': it is text, not the name of a response file.
        ResponseFileTokenReplacer = null,
    };

    /// <summary>Creates the option that asks for JSON.</summary>
    public static Option<bool> CreateJsonOption() => new("--json")
    {
        Description = "One JSON object on standard output.",
        Recursive = true,
    };

    /// <summary>Creates the option that says how many threads a verb uses.</summary>
    public static Option<int> CreateThreadsOption() => new("--threads")
    {
        Description = "Threads to use; never changes a result.",
        HelpName = "N",
        Recursive = true,
        DefaultValueFactory = _ => Environment.ProcessorCount,
    };

    /// <summary>Creates the command <c>portable</c> with its verbs.</summary>
    /// <param name="json">The option of <see cref="CreateJsonOption"/>.</param>
    /// <param name="threads">The option of <see cref="CreateThreadsOption"/>.</param>
    /// <param name="first">The first word of the command line that is to be read: where it is a verb, no other is made. Null = all are.</param>
    public static Command Create(Option<bool> json, Option<int> threads, string? first = null)
    {
        // Not a RootCommand: that one takes its name from the assembly, and users type "portable".
        var root = new Command("portable", "Quantizes large language models to any bit-width and runs them with the same bits on every CPU and GPU.");
        var demo = new DemoVerb();
        root.Options.Add(json);
        root.Options.Add(threads);
        Help.AddExamples(root, demo.Examples);
        root.Options.Add(new VersionOption());
        root.SetAction(demo.RunAsync);
        bool named = Verbs.Any(v => v.Name == first);
        foreach ((string name, Func<Command> create) in Verbs)
        {
            if (!named || name == first)
            {
                root.Subcommands.Add(create());
            }
        }

        root.Subcommands.Add(Help.CreateVerb(root));
        return root;
    }

    private static Command CreateBench()
    {
        var bench = new Command("bench", "Measures speed against what the same process measures of the hardware.");
        bench.Options.Add(new HelpOption());
        bench.SetAction(Help.Show);
        bench.Subcommands.Add(new BenchMatmulVerb());
        bench.Subcommands.Add(new BenchModelVerb());
        bench.Subcommands.Add(new BenchQuantizeVerb());
        bench.Subcommands.Add(new BenchServeVerb());
        bench.Subcommands.Add(new BenchTuneVerb());
        bench.Subcommands.Add(new BenchPipelinesVerb());
        bench.Subcommands.Add(new BenchProductsVerb());
        return bench;
    }
}
