using System.Text.Json;
using Portable.Chat.Templates;
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

    private readonly ChatTemplateFiles _files = ChatTemplateFiles.Read(directory);
    private readonly Dictionary<string, ChatTemplate> _templates = [];
    private int? _turnEnd;

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
    public static ChatRequest Request(IReadOnlyList<ChatMessage> messages, ChatOptions options, bool answer = true) =>
        new(JsonSerializer.SerializeToElement(messages, ChatJson.Default.IReadOnlyListChatMessage), options.Tools, answer, options.Variables);

    /// <summary>The token with which the template ends a turn of the model, or null where it is none.</summary>
    public int? TurnEnd()
    {
        // The special token that follows an answer. A template that takes no such conversation tells nothing.
        _turnEnd ??= Find() ?? -1;
        return _turnEnd >= 0 ? _turnEnd : null;
    }

    private int? Find()
    {
        string text;
        try
        {
            text = Render(Request([ChatMessage.User("Hello"), ChatMessage.Assistant(Probe)], new ChatOptions(), answer: false)).Text;
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
        string key = $"{name}\n{tools}";
        if (!_templates.TryGetValue(key, out ChatTemplate? template))
        {
            _templates.Add(key, template = _files.Select(name, tools));
        }

        return template;
    }
}
