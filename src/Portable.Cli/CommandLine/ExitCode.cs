namespace Portable.Cli.CommandLine;

/// <summary>What the tool's exit codes mean.</summary>
public static class ExitCode
{
    /// <summary>The verb did what was asked.</summary>
    public const int Done = 0;

    /// <summary>The verb failed; one line on the error stream says why.</summary>
    public const int Failed = 1;

    /// <summary>The arguments make no sense.</summary>
    public const int BadUsage = 2;
}
