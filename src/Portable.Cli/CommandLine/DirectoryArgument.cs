using System.CommandLine;

namespace Portable.Cli.CommandLine;

/// <summary>An argument whose value is a directory, or several.</summary>
/// <typeparam name="T">A text, or an array of them.</typeparam>
/// <param name="name">Its name.</param>
internal sealed class DirectoryArgument<T>(string name) : Argument<T>(name);
