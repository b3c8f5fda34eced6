using System.Text;

namespace Portable.Cli.Output;

/// <summary>Standard input that is closed: no line comes, and to want all of it is an error.</summary>
internal sealed class ClosedInput : TextReader
{
    /// <inheritdoc/>
    public override string ReadToEnd() => throw new IOException("standard input is closed");
}

/// <summary>Standard output that is closed.</summary>
internal sealed class ClosedOutput : TextWriter
{
    /// <inheritdoc/>
    public override Encoding Encoding => Encoding.UTF8;

    /// <inheritdoc/>
    public override void Write(char value) => throw new IOException("standard output is closed");
}
