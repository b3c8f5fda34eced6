using System.CommandLine;
using Portable.Cli.CommandLine;
using Portable.Cli.Output;
using Portable.Cli.Verbs;
using Portable.Reference.Threading;

namespace Portable.Cli;

/// <summary>
/// The command line as a function of arguments and two streams, so that tests can call it in process. Its contract: the
/// result goes to the output stream (with <c>--json</c> exactly one JSON object), everything else to the error stream; 0 is
/// done, 1 is failed with one line that says why, 2 is bad usage, 130 is stopped from outside, and 141, quietly, is that whoever read the result has left.
/// </summary>
internal static class Tool
{
    /// <summary>Begins with the model that a command line will open: making and reading the command line takes a core a fifth of the time to the first token.</summary>
    public static void Foresee(string[] args)
    {
        if (args is ["generate" or "chat" or "serve", { Length: > 0 } directory, ..] && !Array.Exists(args, a => a.StartsWith("--device", StringComparison.Ordinal) || a.StartsWith("--threads", StringComparison.Ordinal))
            && File.Exists(Path.Combine(directory, "config.json")))
        {
            LanguageModel.Foresee(directory);
        }
    }

    /// <summary>Runs one command line.</summary>
    /// <param name="args">Verb and options; none runs the demo.</param>
    /// <param name="output">Receives results.</param>
    /// <param name="error">Receives progress, messages and errors.</param>
    /// <param name="interactive">Whether <paramref name="error"/> is a terminal that can show progress bars.</param>
    /// <param name="cancellation">Stops the verb in good order.</param>
    /// <param name="unicode">Whether the readers of both streams know more than ASCII.</param>
    /// <param name="input">What is typed or piped in; null = nothing.</param>
    /// <param name="typed">Whether a person types it.</param>
    /// <returns>One of <see cref="ExitCode"/>.</returns>
    public static int Invoke(string[] args, TextWriter output, TextWriter error, bool interactive, CancellationToken cancellation, bool unicode = true, TextReader? input = null, bool typed = false)
    {
        Option<bool> json = CommandTree.CreateJsonOption();
        Option<int> threads = CommandTree.CreateThreadsOption();
        ParseResult parsed = CommandTree.Create(json, threads, args.FirstOrDefault()).Parse(args, CommandTree.Settings);
        // The parser takes such a word for a directive, which the tool has none of.
        if (args is [['[', .., ']'] directive, ..])
        {
            return Complain(error, $"unknown verb '{directive}' (try portable --help)", ExitCode.BadUsage);
        }

        if (Complaint.Of(parsed) is { } complaint)
        {
            return Complain(error, $"{complaint} (try {Complaint.PathOf(parsed.CommandResult.Command)} --help)", ExitCode.BadUsage);
        }

        try
        {
            using var pool = new WorkerPool(OptionValues.Threads(parsed, threads));
            using WorkerPool.Scope scope = pool.Use();
            var call = new Call { Output = output, Error = error, Interactive = interactive, Json = parsed.GetValue(json), Unicode = unicode, Input = input ?? TextReader.Null, Typed = typed };
            return parsed.InvokeAsync(call, cancellation).GetAwaiter().GetResult();
        }
        catch (UsageException e)
        {
            return Complain(error, $"{e.Message} (try {e.Page ?? $"{Complaint.PathOf(parsed.CommandResult.Command)} --help"})", ExitCode.BadUsage);
        }
        catch (ReaderLeftException)
        {
            return ExitCode.ReaderLeft;
        }
        catch (OperationCanceledException)
        {
            return Complain(error, parsed.CommandResult.Command is Verb { GoesOn: true } ? "interrupted; run the same command to go on" : "interrupted", ExitCode.Interrupted);
        }
        catch (Exception e)
        {
            return Complain(error, ErrorLine.Of(e, parsed.CommandResult.Command is not Verb { NeedsGpu: true }), ExitCode.Failed);
        }
    }

    private static int Complain(TextWriter error, string reason, int code)
    {
        error.WriteLine($"error: {reason}");
        return code;
    }
}
