using System.Buffers;
using System.Text.Json;
using System.Text.Json.Serialization;
using Portable.Chat.Tools;

namespace Portable;

/// <summary>One message of a conversation, as chat templates take it.</summary>
/// <param name="Role">Who speaks: system, user, assistant, tool, or another role that the model's chat template knows.</param>
/// <param name="Content">What is said; null, like "", where a message makes <see cref="Calls"/> alone.</param>
public sealed record ChatTurn(string Role, string? Content)
{
    /// <summary>Calls of functions that a message of the assistant makes; none by default.</summary>
    [JsonIgnore]
    public IReadOnlyList<ToolCall> Calls { get; init; } = [];

    /// <summary>The <see cref="ToolCall.Id"/> that a message of the role tool answers, or null.</summary>
    [JsonIgnore]
    public string? CallId { get; init; }

    /// <summary>Who speaks by name, or the function that answers; null where the template is to say neither.</summary>
    [JsonIgnore]
    public string? Name { get; init; }

    /// <summary>A message by the user.</summary>
    public static ChatTurn User(string content) => new("user", content);

    /// <summary>An answer of the model, earlier in the conversation.</summary>
    public static ChatTurn Assistant(string content) => new("assistant", content);

    /// <summary>Instructions to the model that hold for the whole conversation (the system prompt).</summary>
    public static ChatTurn System(string content) => new("system", content);

    /// <summary>Messages as the JSON that templates of Hugging Face checkpoints know: arguments of calls are objects.</summary>
    /// <exception cref="JsonException">Arguments of a call are not JSON.</exception>
    internal static JsonElement Json(IEnumerable<ChatTurn> turns)
    {
        ArrayBufferWriter<byte> buffer = new();
        using (Utf8JsonWriter writer = new(buffer))
        {
            writer.WriteStartArray();
            foreach (ChatTurn turn in turns)
            {
                turn.Write(writer);
            }

            writer.WriteEndArray();
        }

        using JsonDocument document = JsonDocument.Parse(buffer.WrittenMemory);
        return document.RootElement.Clone();
    }

    private void Write(Utf8JsonWriter writer)
    {
        writer.WriteStartObject();
        writer.WriteString("role", Role);
        writer.WriteString("content", Content ?? string.Empty);
        if (Name is not null)
        {
            writer.WriteString("name", Name);
        }

        if (CallId is not null)
        {
            writer.WriteString("tool_call_id", CallId);
        }

        if (Calls.Count > 0)
        {
            writer.WriteStartArray("tool_calls");
            foreach (ToolCall call in Calls)
            {
                writer.WriteStartObject();
                writer.WriteString("type", "function");
                if (call.Id is not null)
                {
                    writer.WriteString("id", call.Id);
                }

                writer.WriteStartObject("function");
                writer.WriteString("name", call.Name);
                writer.WritePropertyName("arguments");
                writer.WriteRawValue(call.Arguments.Length == 0 ? "{}" : call.Arguments);
                writer.WriteEndObject();
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        writer.WriteEndObject();
    }
}
