using Portable.Quantization;

namespace Portable.Cli.CommandLine;

/// <summary>The arguments make no sense, in a way that only the verb could see: exit code 2.</summary>
/// <param name="message">One line that says what is wrong and what would be right.</param>
/// <param name="page">The command line of the help page that says more, or null for the verb's own.</param>
internal sealed class UsageException(string message, string? page = null) : Exception(message)
{
    /// <summary>The command line of the help page that says more, or null for the verb's own.</summary>
    public string? Page => page;

    /// <summary>Bad usage of a method, whose options are on a page of their own.</summary>
    /// <param name="method">Its name.</param>
    /// <param name="e">What the library says: its message begins with the option's name, where one is at fault.</param>
    public static UsageException Of(string method, MethodUsageException e) =>
        e.Option is null ? new UsageException(e.Message) : new UsageException("--" + e.Message, $"portable quantize --method {method} --help");
}
