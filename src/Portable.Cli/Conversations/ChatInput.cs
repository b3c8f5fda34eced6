using System.Text;
using Portable.Cli.CommandLine;

namespace Portable.Cli.Conversations;

/// <summary>What was typed: a message, or a command.</summary>
/// <param name="Text">The text.</param>
/// <param name="IsCommand">Whether it is one line that begins with / and was typed, not pasted.</param>
internal readonly record struct Typed(string Text, bool IsCommand);

/// <summary>
/// Reads messages line by line. A line that ends with \ goes on in the next; what a terminal marks as pasted (bracketed paste)
/// is one message, however many lines it has, and never a command. A line that begins with // is a message that begins with /.
/// </summary>
/// <param name="reader">Where lines come from.</param>
/// <param name="prompt">Shows that a line is awaited.</param>
/// <param name="cancellation">Ends waiting for one.</param>
internal sealed class ChatInput(TextReader reader, Action<string> prompt, CancellationToken cancellation = default)
{
    private const string PasteBegins = "\e[200~", PasteEnds = "\e[201~";

    /// <summary>Asks a terminal to mark what is pasted.</summary>
    public const string MarkPastes = "\e[?2004h";

    /// <summary>Asks it no more.</summary>
    public const string LeavePastes = "\e[?2004l";

    /// <summary>The next message or command, or null at the end of the input.</summary>
    /// <exception cref="OperationCanceledException">A signal came first.</exception>
    public Typed? Read()
    {
        prompt("> ");
        StringBuilder text = new();
        bool pasting = false, pasted = false, first = true;
        while (Waiting.For(reader.ReadLine, cancellation) is { } line)
        {
            if (line.Contains(PasteBegins, StringComparison.Ordinal))
            {
                (pasting, pasted) = (true, true);
                line = line.Replace(PasteBegins, string.Empty, StringComparison.Ordinal);
            }

            if (line.Contains(PasteEnds, StringComparison.Ordinal))
            {
                pasting = false;
                line = line.Replace(PasteEnds, string.Empty, StringComparison.Ordinal);
            }

            bool more = !pasting && line.EndsWith('\\');
            text.Append(first ? string.Empty : "\n").Append(more ? line[..^1] : line);
            first = false;
            if (!more && !pasting)
            {
                string whole = text.ToString();
                bool command = !pasted && whole.StartsWith('/') && !whole.Contains('\n', StringComparison.Ordinal);
                return command && whole.StartsWith("//", StringComparison.Ordinal) ? new Typed(whole[1..], false) : new Typed(whole, command);
            }

            if (more)
            {
                prompt(". ");
            }
        }

        return first ? null : new Typed(text.ToString(), false);
    }
}
