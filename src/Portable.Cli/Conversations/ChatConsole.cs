using System.Globalization;
using Portable.Checkpoints;
using Portable.Cli.CommandLine;
using Portable.Cli.Output;
using Portable.Chat.Templates;

namespace Portable.Cli.Conversations;

/// <summary>A conversation between a person at a terminal, or the lines of a stream, and a model.</summary>
/// <param name="terminal">Where answers and messages go.</param>
internal sealed class ChatConsole(Terminal terminal)
{
    private const string Commands = """
        /help           this list
        /reset          start anew; the system message stays
        /system TEXT    tell the model what to be (no TEXT: nothing)
        /retry          answer the last message again, by other draws
        /save FILE      write the conversation as JSON
        /load FILE      go on with a conversation from JSON
        /exit, /quit    end (as Ctrl-D does)
        A line that ends with \ goes on in the next; one that begins with // is a
        message that begins with /. Ctrl-C ends an answer.
        """;

    private bool _failed, _pressed;

    /// <summary>Talks until the input ends.</summary>
    /// <returns>Whether all went well: a person sees what did not and goes on, a script is told at the end.</returns>
    public bool Run(Conversation conversation, CancellationToken cancellation)
    {
        if (terminal.Typed)
        {
            terminal.Message(string.Create(CultureInfo.InvariantCulture, $"context {conversation.Context:N0} tokens; /help lists commands"));
            Write(ChatInput.MarkPastes);
        }

        try
        {
            ChatInput input = new(terminal.Input, text => Write(terminal.Typed ? text : string.Empty), cancellation);
            while (Read(input) is { } typed)
            {
                if (typed.IsCommand)
                {
                    if (!Command(typed.Text, conversation, cancellation))
                    {
                        break;
                    }
                }
                else if (!string.IsNullOrWhiteSpace(typed.Text))
                {
                    Answer(stop => conversation.Say(typed.Text, stop), cancellation);
                }
            }
        }
        finally
        {
            if (terminal.Typed)
            {
                Write(ChatInput.LeavePastes);
            }
        }

        return terminal.Typed || !_failed;
    }

    // At the prompt Ctrl-C ends the program when it is pressed twice: once may have been meant for an answer that had just ended.
    private Typed? Read(ChatInput input)
    {
        using IDisposable? interrupt = terminal.Typed ? InterruptKey.Use(() =>
        {
            if (_pressed)
            {
                Write($"{ChatInput.LeavePastes}\n");
                Environment.Exit(ExitCode.Interrupted);
            }

            _pressed = true;
            Write("\n(Ctrl-C again ends; what was typed is still there, Enter sends it)\n> ");
        }) : null;
        Typed? typed = input.Read();
        _pressed = false;
        return typed;
    }

    // A person sees it and goes on; a script failed.
    private void Refuse(string reason)
    {
        if (terminal.Typed)
        {
            terminal.Message(reason);
        }
        else
        {
            Fail(reason);
        }
    }

    private void Fail(string reason)
    {
        _failed = true;
        terminal.Message($"error: {reason}");
    }

    // False: the conversation is over.
    private bool Command(string line, Conversation conversation, CancellationToken cancellation)
    {
        int space = line.IndexOf(' ', StringComparison.Ordinal);
        string name = space < 0 ? line : line[..space], rest = space < 0 ? string.Empty : line[(space + 1)..].Trim();
        try
        {
            switch (name)
            {
                case "/help":
                    terminal.Message(Commands);
                    break;
                case "/reset":
                    conversation.Reset();
                    terminal.Message("the conversation starts anew");
                    break;
                case "/system":
                    conversation.SetSystem(rest);
                    break;
                case "/retry":
                    Answer(conversation.Retry, cancellation);
                    break;
                case "/save" when rest.Length > 0:
                    Save(rest, conversation, cancellation);
                    break;
                case "/load" when rest.Length > 0:
                    conversation.Load(Waiting.For(() => ConversationFile.Read(rest), cancellation));
                    terminal.Message($"{conversation.Messages.Count} messages");
                    break;
                case "/save" or "/load":
                    Refuse($"{name} needs a file");
                    break;
                case "/exit" or "/quit":
                    return false;
                default:
                    Refuse($"there is no command {Printable.Of(name)}{Suggestions.DidYouMean(name, ["/help", "/reset", "/system", "/retry", "/save", "/load", "/exit", "/quit"])}; /help lists them, and // begins a message with /");
                    break;
            }
        }
        catch (Exception e) when (e is CheckpointException or IOException or UnauthorizedAccessException)
        {
            Fail(ErrorLine.Of(e));
        }

        return true;
    }

    private void Save(string file, Conversation conversation, CancellationToken cancellation)
    {
        if (File.Exists(file))
        {
            // The next line of a script is a message, not an answer.
            if (!terminal.Typed)
            {
                Fail($"{Printable.Of(file)} exists; only a person is asked whether to overwrite it");
                return;
            }

            Write($"{Printable.Of(file)} exists; overwrite it? [y/N] ");
            if (Waiting.For(terminal.Input.ReadLine, cancellation)?.Trim() is not ("y" or "Y" or "yes"))
            {
                terminal.Message("not saved");
                return;
            }
        }

        ConversationFile.Write(file, conversation.Messages);
        terminal.Message($"saved {conversation.Messages.Count} messages");
    }

    // Ctrl-C ends the answer, not the program.
    private void Answer(Func<CancellationToken, IEnumerable<string>> answer, CancellationToken cancellation)
    {
        using CancellationTokenSource stop = CancellationTokenSource.CreateLinkedTokenSource(cancellation);
        using IDisposable? interrupt = terminal.Typed ? InterruptKey.Use(stop.Cancel) : null;
        try
        {
            foreach (string piece in answer(stop.Token))
            {
                if (!terminal.Json)
                {
                    Write(Printable.Of(piece));
                }
            }
        }
        catch (OperationCanceledException) when (!cancellation.IsCancellationRequested)
        {
            Write(" …");
        }
        catch (Exception e) when (e is TemplateException or ArgumentException)
        {
            Fail(Printable.Of(ErrorLine.Of(e)));
            return;
        }

        if (!terminal.Json)
        {
            terminal.Line(string.Empty);
        }
    }

    private void Write(string text)
    {
        if (!terminal.Json)
        {
            terminal.Output.Write(text);
            terminal.Output.Flush();
        }
    }
}
