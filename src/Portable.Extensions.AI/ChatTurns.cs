using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Microsoft.Extensions.AI;
using Portable.Chat.Tools;
using AIMessage = Microsoft.Extensions.AI.ChatMessage;

namespace Portable.Extensions.AI;

/// <summary>Messages of Microsoft.Extensions.AI as chat templates take them.</summary>
internal static class ChatTurns
{
    /// <summary>The messages, behind what the model is told to be.</summary>
    /// <exception cref="NotSupportedException">A message holds more than text and calls of functions.</exception>
    public static List<ChatTurn> Of(IEnumerable<AIMessage> messages, string? instructions)
    {
        List<ChatTurn> turns = [];
        if (!string.IsNullOrEmpty(instructions))
        {
            turns.Add(new ChatTurn("system", instructions));
        }

        foreach (AIMessage message in messages)
        {
            ArgumentNullException.ThrowIfNull(message, nameof(messages));
            Add(message, turns);
        }

        return turns;
    }

    private static void Add(AIMessage message, List<ChatTurn> turns)
    {
        StringBuilder text = new();
        List<ToolCall> calls = [];
        List<ChatTurn> results = [];
        AIContent[] contents = [.. message.Contents.Where(c => !ForPeople(c))];
        if (contents.Length == 0 && message.Contents.Count > 0)
        {
            return;
        }

        foreach (AIContent content in contents)
        {
            switch (content)
            {
                case TextContent said: text.Append(said.Text); break;
                case FunctionCallContent call: calls.Add(new ToolCall(call.Name, Json(call.Arguments), call.CallId)); break;
                case FunctionResultContent result: results.Add(new ChatTurn("tool", Text(result.Result)) { CallId = result.CallId }); break;
                default: throw new NotSupportedException($"A message holds {content.GetType().Name}: the model takes text, calls of functions and their results.");
            }
        }

        if (text.Length > 0 || calls.Count > 0 || results.Count == 0)
        {
            turns.Add(new ChatTurn(message.Role.Value, text.ToString()) { Calls = calls, Name = message.Role == ChatRole.Tool ? message.AuthorName : null });
        }

        turns.AddRange(results);
    }

    // What histories hold beside words: a template has no place for it.
    private static bool ForPeople(AIContent content) => content is UsageContent or TextReasoningContent or ErrorContent or ToolApprovalRequestContent or ToolApprovalResponseContent;

    private static string Text(object? result) => result switch
    {
        null => string.Empty,
        string text => text,
        JsonElement { ValueKind: JsonValueKind.String } text => text.GetString()!,
        JsonElement json => json.GetRawText(),
        _ => Write(writer => Value(writer, result)),
    };

    private static string Json(IDictionary<string, object?>? arguments) => Write(writer =>
    {
        writer.WriteStartObject();
        foreach ((string name, object? value) in arguments ?? new Dictionary<string, object?>())
        {
            writer.WritePropertyName(name);
            Value(writer, value);
        }

        writer.WriteEndObject();
    });

    private static string Write(Action<Utf8JsonWriter> write)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream, new JsonWriterOptions { Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            write(writer);
        }

        return Encoding.UTF8.GetString(stream.GetBuffer().AsSpan(0, (int)stream.Length));
    }

    private static void Value(Utf8JsonWriter writer, object? value)
    {
        if (value is null)
        {
            writer.WriteNullValue();
        }
        else
        {
            JsonSerializer.Serialize(writer, value, AIJsonUtilities.DefaultOptions.GetTypeInfo(value.GetType()));
        }
    }
}
