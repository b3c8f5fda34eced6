namespace Portable.Cli.CommandLine;

/// <summary>What the tool's exit codes mean.</summary>
internal static class ExitCode
{
    /// <summary>The verb did what was asked.</summary>
    public const int Done = 0;

    /// <summary>The verb failed; one line on the error stream says why.</summary>
    public const int Failed = 1;

    /// <summary>The arguments make no sense.</summary>
    public const int BadUsage = 2;

    /// <summary>The verb was stopped by Ctrl-C: 128 and the signal's number, as shells count.</summary>
    public const int Interrupted = 130;

    /// <summary>Whoever read standard output has left: 128 and the number of SIGPIPE, which would have ended a program that does not ask for errors.</summary>
    public const int ReaderLeft = 141;

    /// <summary>The verb was stopped by SIGTERM.</summary>
    public const int Terminated = 143;
}
