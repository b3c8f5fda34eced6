using System.Runtime.InteropServices;
using Portable.Cli.CommandLine;
using Portable.Cli.Output;
using Portable.Vulkan;

namespace Portable.Cli;

/// <summary>The process: console streams and signals around <see cref="Tool"/>.</summary>
internal static class Program
{
    /// <summary>Runs the tool.</summary>
    /// <param name="args">Verb and options; none runs the demo.</param>
    /// <returns>0 done, 1 failed, 2 bad usage, 130 or 143 stopped by a signal, 141 its reader has left.</returns>
    public static int Main(string[] args)
    {
        if (VulkanBackend.RunsHelper(args, out int helped))
        {
            return helped;
        }

        StandardStreams.HoldClosed();
        Tool.Foresee(args);

        // Before the encoding changes.
        bool unicode = ReaderEncoding.IsUnicode;
        using var cancellation = new CancellationTokenSource();
        StandardStreams.Prepare(cancellation.Token);
        bool terminated = false;
        Action<PosixSignalContext> stop = context =>
        {
            if (context.Signal == PosixSignal.SIGINT && InterruptKey.Press())
            {
                context.Cancel = true;
                return;
            }

            terminated |= context.Signal == PosixSignal.SIGTERM;
            // The first signal asks the verb to stop in good order; a second one ends the process at once.
            context.Cancel = !cancellation.IsCancellationRequested;
            cancellation.Cancel();
        };
        using var interrupt = PosixSignalRegistration.Create(PosixSignal.SIGINT, stop);
        using var terminate = PosixSignalRegistration.Create(PosixSignal.SIGTERM, stop);

        int code = Tool.Invoke(args, Console.Out, Console.Error, interactive: !Console.IsErrorRedirected, cancellation.Token, unicode, Console.In, typed: !Console.IsInputRedirected);
        return code == ExitCode.Interrupted && terminated ? ExitCode.Terminated : code;
    }
}
