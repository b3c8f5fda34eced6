using System.CommandLine;
using Portable.Cli.CommandLine;
using Portable.Cli.Output;

namespace Portable.Cli.Verbs;

/// <summary>One verb of the tool: its options, its examples, and what it does.</summary>
internal abstract class Verb : Command
{
    /// <summary>Names the verb.</summary>
    /// <param name="name">The word on the command line.</param>
    /// <param name="description">One sentence for the help page.</param>
    /// <param name="examples">Command lines that teach its use, each with what it does.</param>
    protected Verb(string name, string description, params Example[] examples)
        : base(name, description)
    {
        Examples = examples;
        Help.AddExamples(this, examples, Arrange);
        SetAction(RunAsync);
    }

    /// <summary>The examples of the help page.</summary>
    public IReadOnlyList<Example> Examples { get; }

    /// <summary>Whether an interrupted run goes on when the same command is run again.</summary>
    public virtual bool GoesOn => false;

    /// <summary>Whether it works on GPUs alone, so that the CPU is no advice.</summary>
    public virtual bool NeedsGpu => false;

    /// <summary>Runs the verb on its parsed options.</summary>
    public Task<int> RunAsync(ParseResult parsed, CancellationToken cancellation)
    {
        foreach (string file in Options.OfType<PathOption>().Where(o => o.IsWritten).Select(o => parsed.GetValue(o)).OfType<string>())
        {
            WrittenFile.Require(file);
        }

        var call = (Call)parsed.InvocationConfiguration;
        return Task.FromResult(Run(parsed, new Terminal(call), cancellation));
    }

    /// <summary>Fits the help page to what else was typed.</summary>
    /// <param name="parsed">What was typed beside --help.</param>
    /// <returns>What stands above the examples, or null.</returns>
    protected virtual string? Arrange(ParseResult parsed) => null;

    /// <summary>Does the work and writes the result.</summary>
    /// <param name="parsed">The options' values.</param>
    /// <param name="terminal">Where results, messages and progress go.</param>
    /// <param name="cancellation">Stops the work in good order.</param>
    /// <returns><see cref="ExitCode.Done"/> or <see cref="ExitCode.Failed"/> (with the reason already in the result).</returns>
    /// <exception cref="UsageException">The options make no sense together.</exception>
    protected abstract int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation);
}
