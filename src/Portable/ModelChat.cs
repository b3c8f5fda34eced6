using System.Collections.Concurrent;
using System.Text.Json;
using Portable.Chat.Templates;
using Portable.Chat.Tools;
using Portable.Checkpoints;
using Portable.Tokenizers;

namespace Portable;

/// <summary>The chat template of a model with its tokenizer: conversations become token ids.</summary>
/// <param name="directory">The model's directory.</param>
/// <param name="tokenizer">Its tokenizer.</param>
internal sealed class ModelChat(string directory, ITokenizer tokenizer)
{
    // What no template and no person writes.
    private const string Probe = "\uE000\uE001";
    private const int Unknown = int.MinValue;

    private readonly ChatTemplateFiles _files = ChatTemplateFiles.Read(directory);
    private readonly ConcurrentDictionary<(string? Name, bool Tools), ChatTemplate> _templates = new();
    private int _turnEnd = Unknown;
    private ToolCallFormat? _toolCalls;

    /// <summary>Renders a conversation; the text and its ids are those of the reference implementation where nothing is plain.</summary>
    /// <param name="request">Messages, tools, variables.</param>
    /// <param name="name">The template's name, or null.</param>
    /// <param name="trust">Whether special tokens in messages are special tokens.</param>
    /// <exception cref="CheckpointException">The model has no such template.</exception>
    /// <exception cref="TemplateException">The template refuses the messages, or fails.</exception>
    public (string Text, int[] Ids) Render(ChatRequest request, string? name = null, bool trust = false)
    {
        RenderedChat chat = Template(name, request.Tools is not null).Render(request, tokenizer.NamedTokens);
        return (chat.Text, tokenizer.Encode(chat.Text, trust ? [] : [.. chat.Marked]));
    }

    /// <summary>The request that messages make.</summary>
    public static ChatRequest Request(IReadOnlyList<ChatTurn> messages, ChatTemplateOptions options, bool answer = true) =>
        new(ChatTurn.Json(messages), options.Tools, answer, options.Variables);

    /// <summary>How models of the template write calls of functions.</summary>
    public ToolCallFormat ToolCalls => _toolCalls ??= FindToolCalls();

    /// <summary>The token with which the template ends a turn of the model, or null where it is none.</summary>
    public int? TurnEnd()
    {
        // The special token that follows an answer. A template that takes no such conversation tells nothing.
        if (_turnEnd == Unknown)
        {
            _turnEnd = Find() ?? -1;
        }

        return _turnEnd >= 0 ? _turnEnd : null;
    }

    private int? Find()
    {
        string text;
        try
        {
            text = Render(Request([ChatTurn.User("Hello"), ChatTurn.Assistant(Probe)], new ChatTemplateOptions(), answer: false)).Text;
        }
        catch (Exception e) when (e is TemplateException or CheckpointException)
        {
            return null;
        }

        int at = text.IndexOf(Probe, StringComparison.Ordinal);
        int[] after = at < 0 ? [] : tokenizer.Encode(text[(at + Probe.Length)..].TrimStart());
        return after.Length > 0 && tokenizer.IsSpecial(after[0]) ? after[0] : null;
    }

    private ChatTemplate Template(string? name, bool tools)
    {
        return _templates.GetOrAdd((name, tools), key => _files.Select(key.Name, key.Tools));
    }

    // What the template itself writes where functions are given and called.
    private ToolCallFormat FindToolCalls()
    {
        using JsonDocument tools = JsonDocument.Parse("""[{"type":"function","function":{"name":"probe","description":"","parameters":{"type":"object","properties":{}}}}]""");
        ChatTurn asked = new("user", Probe), called = new("assistant", string.Empty) { Calls = [new ToolCall("probe", "{}", "call_0aaaaaa")] };
        string Text(JsonElement? given, params ChatTurn[] turns) => Render(new ChatRequest(ChatTurn.Json(turns), given, AddGenerationPrompt: false, new ChatTemplateOptions().Variables)).Text;
        try
        {
            if (Text(tools.RootElement, asked) == Text(null, asked))
            {
                return ToolCallFormat.None;
            }

            string text = Text(tools.RootElement, asked, called);
            string answer = text[(text.IndexOf(Probe, StringComparison.Ordinal) + Probe.Length)..];
            return answer.Contains("<tool_call>", StringComparison.Ordinal) && answer.Contains("\"arguments\"", StringComparison.Ordinal) ? ToolCallFormat.Tagged
                : answer.Contains("\"parameters\"", StringComparison.Ordinal) ? ToolCallFormat.Whole
                : ToolCallFormat.None;
        }
        catch (Exception e) when (e is TemplateException or CheckpointException)
        {
            return ToolCallFormat.None;
        }
    }
}
