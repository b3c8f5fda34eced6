using System.Runtime.CompilerServices;
using System.Text.Json;
using Portable.Chat.Templates;
using Portable.Checkpoints;

namespace Portable;

/// <content>Conversations.</content>
public sealed partial class LanguageModel
{
    private readonly Lazy<ModelChat> _chat;

    /// <summary>The options that the model's makers recommend for conversations (generation_config.json), or the defaults.</summary>
    public GenerationOptions RecommendedOptions => GenerationDefaults.Read(Directory);

    /// <summary>
    /// Answers a conversation; the pieces come as they are made. Messages are text, whatever they hold: a special token that
    /// somebody typed is no special token (unless <see cref="ChatTemplateOptions.TrustMessages"/>). What the cache still knows of the
    /// conversation is not computed again.
    /// </summary>
    /// <param name="messages">The conversation so far, at least one message.</param>
    /// <param name="options">How; null = 128 tokens, always the likeliest (see also <see cref="RecommendedOptions"/>).</param>
    /// <param name="chat">Tools, variables and template; null = none.</param>
    /// <param name="cancellation">Stops between tokens.</param>
    /// <returns>Pieces of the answer.</returns>
    /// <exception cref="CheckpointException">The model has no chat template: it continues texts and holds no conversation.</exception>
    /// <exception cref="TemplateException">The template refuses these messages.</exception>
    /// <exception cref="ArgumentException">There is no message, one has no role, or neither content nor calls, the conversation fills the context, or an option is out of range.</exception>
    /// <exception cref="InvalidOperationException">As many texts as the model takes are under way.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model is, or meanwhile was, disposed of.</exception>
    public IEnumerable<string> Chat(IReadOnlyList<ChatTurn> messages, GenerationOptions? options = null, ChatTemplateOptions? chat = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        options = Valid(options);
        int[] prompt = EncodeChat(messages, chat);
        RequirePrompt(prompt, nameof(messages));
        return Pieces(Steps(prompt, options, cancellation, ChatEnd()), options.StopTexts, []);
    }

    /// <summary>Answers a conversation without holding up the caller: <see cref="Chat"/> on another thread. What is thrown comes from the enumeration.</summary>
    /// <inheritdoc cref="Chat"/>
    public async IAsyncEnumerable<string> ChatAsync(IReadOnlyList<ChatTurn> messages, GenerationOptions? options = null, ChatTemplateOptions? chat = null, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        using IEnumerator<string> pieces = Chat(messages, options, chat, cancellation).GetEnumerator();
        while (await Task.Run(pieces.MoveNext, cancellation).ConfigureAwait(false))
        {
            yield return pieces.Current;
        }
    }

    /// <summary>Token ids of a conversation up to the start of the model's answer, as the model is fed them.</summary>
    /// <param name="messages">The conversation so far, at least one message.</param>
    /// <param name="chat">Tools, variables and template; null = none.</param>
    /// <returns>The ids; they may be more than <see cref="Context"/>.</returns>
    /// <exception cref="CheckpointException">The model has no chat template: it continues texts and holds no conversation.</exception>
    /// <exception cref="TemplateException">The template refuses these messages.</exception>
    /// <exception cref="ArgumentException">There is no message, one has no role, or neither content nor calls, or the tools are no JSON array.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public int[] EncodeChat(IReadOnlyList<ChatTurn> messages, ChatTemplateOptions? chat = null)
    {
        ArgumentNullException.ThrowIfNull(messages);
        ObjectDisposedException.ThrowIf(_passes.IsClosed, this);
        chat ??= new ChatTemplateOptions();
        ArgumentNullException.ThrowIfNull(chat.Variables, nameof(ChatTemplateOptions.Variables));
        if (chat.Tools is { ValueKind: not JsonValueKind.Array } tools)
        {
            throw new ArgumentException($"Tools are a JSON array, not {tools.ValueKind}.", nameof(ChatTemplateOptions.Tools));
        }

        if (messages.Count == 0)
        {
            throw new ArgumentException("A conversation has at least one message.", nameof(messages));
        }

        foreach (ChatTurn message in messages)
        {
            ArgumentNullException.ThrowIfNull(message, nameof(messages));
            if (message.Role is null || message.Calls is null || (message.Content is null && message.Calls.Count == 0))
            {
                throw new ArgumentException("A message has no role, or neither content nor calls.", nameof(messages));
            }
        }

        return _chat.Value.Render(ModelChat.Request(messages, chat), chat.Template, chat.TrustMessages).Ids;
    }

    /// <summary>The token that ends a turn, beside the model's own end tokens.</summary>
    private int[] ChatEnd() => _chat.Value.TurnEnd() is { } end ? [end] : [];
}
