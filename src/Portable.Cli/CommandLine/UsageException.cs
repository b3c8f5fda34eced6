namespace Portable.Cli.CommandLine;

/// <summary>The arguments make no sense, in a way that only the verb could see: exit code 2.</summary>
/// <param name="message">One line that says what is wrong and what would be right.</param>
internal sealed class UsageException(string message) : Exception(message);
