using System.CommandLine;

namespace Portable.Cli.CommandLine;

/// <summary>How one command line is run: the streams, and what kind of reader is at their other end.</summary>
internal sealed class Call : InvocationConfiguration
{
    /// <summary>Leaves exceptions and signals to <see cref="Tool"/>, which turns them into exit codes and one line.</summary>
    public Call() => (EnableDefaultExceptionHandler, ProcessTerminationTimeout) = (false, null);

    /// <summary>Whether the error stream is a terminal that can show progress bars.</summary>
    public bool Interactive { get; init; }

    /// <summary>What is typed, or piped in.</summary>
    public TextReader Input { get; init; } = TextReader.Null;

    /// <summary>Whether a person types it.</summary>
    public bool Typed { get; init; }

    /// <summary>Whether lines may be drawn with more than ASCII.</summary>
    public bool Unicode { get; init; } = true;

    /// <summary>Whether the result is to be one JSON object.</summary>
    public bool Json { get; init; }
}
