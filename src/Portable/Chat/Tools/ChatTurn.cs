using System.Buffers;
using System.Text.Json;

namespace Portable.Chat.Tools;

/// <summary>A message as templates take it: with the calls of functions that it makes, or the call that it answers.</summary>
/// <param name="Role">Who speaks.</param>
/// <param name="Content">What is said; null where there are calls alone.</param>
internal sealed record ChatTurn(string Role, string? Content)
{
    /// <summary>Calls that the message makes.</summary>
    public IReadOnlyList<ToolCall> Calls { get; init; } = [];

    /// <summary>The call that a message of the role tool answers.</summary>
    public string? CallId { get; init; }

    /// <summary>Who speaks by name, or the function that answers.</summary>
    public string? Name { get; init; }

    /// <summary>Messages as the JSON that templates of Hugging Face checkpoints know: arguments of calls are objects.</summary>
    /// <exception cref="JsonException">Arguments of a call are not JSON.</exception>
    public static JsonElement Json(IEnumerable<ChatTurn> turns)
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
