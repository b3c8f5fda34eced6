namespace Portable.Chat.Templates;

/// <summary>A chat template that cannot be read or rendered: its syntax, what it does, or the error that it raises itself.</summary>
public sealed class TemplateException : Exception
{
    internal TemplateException(string message, int line = 0, Exception? cause = null)
        : base(line > 0 ? $"{message} (line {line} of the template)" : message, cause) => Line = line;

    /// <summary>The line of the template, from 1; 0 where none is known.</summary>
    public int Line { get; }

    /// <summary>Whether the template itself refuses these messages (raise_exception), with its own words as the message.</summary>
    public bool IsRaised { get; private init; }

    internal static TemplateException Raised(string message) => new(message) { IsRaised = true };
}
