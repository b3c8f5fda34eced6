using System.Runtime.CompilerServices;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Portable.Chat.Tools;
using Portable.Generation.Constraints;
using Portable.Serving;
using AIMessage = Microsoft.Extensions.AI.ChatMessage;
using AIOptions = Microsoft.Extensions.AI.ChatOptions;

namespace Portable.Extensions.AI;

/// <summary>A model behind Microsoft.Extensions.AI's interface.</summary>
/// <param name="model">The model.</param>
/// <param name="defaults">What holds where a call says nothing.</param>
internal sealed class LanguageModelChatClient(LanguageModel model, GenerationOptions defaults) : IChatClient
{
    private readonly ChatClientMetadata _metadata = new("portable", null, Path.GetFileName(Path.TrimEndingDirectorySeparator(model.Directory)));

    /// <inheritdoc/>
    public async Task<ChatResponse> GetResponseAsync(IEnumerable<AIMessage> messages, AIOptions? options = null, CancellationToken cancellationToken = default)
    {
        List<ChatResponseUpdate> updates = [];
        await foreach (ChatResponseUpdate update in GetStreamingResponseAsync(messages, options, cancellationToken).ConfigureAwait(false))
        {
            updates.Add(update);
        }

        return updates.ToChatResponse();
    }

    /// <inheritdoc/>
    public async IAsyncEnumerable<ChatResponseUpdate> GetStreamingResponseAsync(IEnumerable<AIMessage> messages, AIOptions? options = null, [EnumeratorCancellation] CancellationToken cancellationToken = default)
    {
        ArgumentNullException.ThrowIfNull(messages);
        using CancellationTokenSource leaving = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
        string id = Guid.NewGuid().ToString("N");
        ServedChat chat = await Task.Run(() => Start(messages, options, leaving.Token), cancellationToken).ConfigureAwait(false);
        try
        {
            await foreach (ChatPiece piece in chat.Pieces(cancellationToken).ConfigureAwait(false))
            {
                List<AIContent> contents = [];
                if (piece.Text.Length > 0)
                {
                    contents.Add(new TextContent(piece.Text));
                }

                contents.AddRange(piece.Calls.Select(Call));
                if (contents.Count > 0)
                {
                    yield return Update(contents, null);
                }
            }

            Answer answer = chat.Answer;
            UsageDetails usage = new()
            {
                InputTokenCount = answer.Request.Prompt.Length,
                OutputTokenCount = answer.Made,
                TotalTokenCount = answer.Request.Prompt.Length + answer.Made,
                CachedInputTokenCount = answer.Reused,
            };
            yield return Update([new UsageContent(usage)], answer.End == AnswerEnd.Length ? ChatFinishReason.Length : chat.Calls > 0 ? ChatFinishReason.ToolCalls : ChatFinishReason.Stop);
        }
        finally
        {
            // Whoever stops reading has left.
            await leaving.CancelAsync().ConfigureAwait(false);
        }

        ChatResponseUpdate Update(IList<AIContent> contents, ChatFinishReason? reason) => new(ChatRole.Assistant, contents)
        {
            ResponseId = id,
            MessageId = id,
            ModelId = _metadata.DefaultModelId,
            FinishReason = reason,
        };
    }

    /// <inheritdoc/>
    public object? GetService(Type serviceType, object? serviceKey = null)
    {
        ArgumentNullException.ThrowIfNull(serviceType);
        return serviceKey is not null ? null
            : serviceType == typeof(ChatClientMetadata) ? _metadata
            : serviceType == typeof(LanguageModel) ? model
            : serviceType.IsInstanceOfType(this) ? this
            : null;
    }

    /// <summary>The model is its opener's.</summary>
    public void Dispose()
    {
    }

    private ServedChat Start(IEnumerable<AIMessage> messages, AIOptions? options, CancellationToken cancellation)
    {
        AskedOptions asked = AskedOptions.Of(this, options, defaults, _metadata.DefaultModelId!);
        JsonElement? tools = options?.ToolMode is NoneChatToolMode ? null : ToolDefinitions.Of(options?.Tools);
        if (tools is not null && model.ToolRefusal is { } reason)
        {
            throw new NotSupportedException(reason);
        }

        List<ChatTurn> turns = ChatTurns.Of(messages, options?.Instructions);
        ByteProgram? shape = Shape(options);
        return model.ServeChat(turns, asked.Generation, asked.Template with { Tools = tools }, r => shape is null ? r : r with { Shape = model.Shape(shape) }, cancellation);
    }

    private ByteProgram? Shape(AIOptions? options)
    {
        ByteProgram? answer = options?.ResponseFormat is ChatResponseFormatJson json ? json.Schema is { } schema ? JsonShape.Of(schema) : JsonShape.AnyObject() : null;
        if (options?.ToolMode is not RequiredChatToolMode required)
        {
            return options?.AllowMultipleToolCalls == false && options.Tools is { Count: > 0 } ? throw new NotSupportedException("A single call cannot be asked for (AllowMultipleToolCalls) unless one is required (ToolMode).") : answer;
        }

        (string, JsonElement)[] functions = [.. (options.Tools ?? []).OfType<AIFunctionDeclaration>().Where(f => required.RequiredFunctionName is null || f.Name == required.RequiredFunctionName).Select(f => (f.Name, f.JsonSchema))];
        return answer is not null ? throw new NotSupportedException("An answer is a required call (ToolMode) or has a shape (ResponseFormat), not both.")
            : functions.Length > 0 ? model.CallShape(functions, required: true, several: false)
            : throw new NotSupportedException("The call that is required (ToolMode) is of no function among the tools.");
    }

    private static FunctionCallContent Call(ToolCall call)
    {
        using JsonDocument document = JsonDocument.Parse(call.Arguments);
        Dictionary<string, object?> arguments = [];
        foreach (JsonProperty property in document.RootElement.EnumerateObject())
        {
            arguments[property.Name] = property.Value.Clone();
        }

        return new FunctionCallContent(call.Id!, call.Name, arguments);
    }
}
