namespace Portable.Cli.CommandLine;

/// <summary>Reads that may wait for another program: standard input, a file that is a pipe.</summary>
internal static class Waiting
{
    /// <summary>Reads on a thread of its own, so that a signal ends the verb while nothing comes.</summary>
    /// <exception cref="OperationCanceledException">The signal came first; what is read is left to end with the process.</exception>
    public static T For<T>(Func<T> read, CancellationToken cancellation) =>
        Task.Factory.StartNew(read, cancellation, TaskCreationOptions.LongRunning, TaskScheduler.Default).WaitAsync(cancellation).GetAwaiter().GetResult();
}
