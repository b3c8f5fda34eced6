using System.Text;
using System.Text.Json;
using Portable.Chat.Tools;
using Portable.Server.Http;

namespace Portable.Server.Api;

/// <summary>Input and tools of /v1/responses as they come over the wire.</summary>
internal static class ResponseFields
{
    /// <summary>The conversation: instructions, then the input.</summary>
    /// <exception cref="ApiException">An item has the wrong shape, or is of a kind that the model does not take.</exception>
    public static List<ChatTurn> Turns(Fields fields)
    {
        List<ChatTurn> turns = [];
        if (fields.Text("instructions") is { Length: > 0 } instructions)
        {
            turns.Add(new ChatTurn("system", instructions));
        }

        JsonElement input = fields.Any("input") ?? throw new ApiException(400, "'input' is needed.", "input", "missing_required_parameter");
        if (input.ValueKind == JsonValueKind.String)
        {
            turns.Add(new ChatTurn("user", input.GetString()!));
            return turns;
        }

        JsonElement[] items = fields.Array("input", "a string or an array of items")!;
        if (items.Length == 0)
        {
            throw new ApiException(400, "'input' must hold at least one item.", "input", "invalid_value");
        }

        for (int i = 0; i < items.Length; i++)
        {
            Add(Fields.Of(items[i], $"input[{i}]"), $"input[{i}]", turns);
        }

        return turns;
    }

    /// <summary>The tools in the shape that templates know, or null for none.</summary>
    /// <exception cref="ApiException">One is no function, or has the wrong shape.</exception>
    public static JsonElement? Tools(Fields fields)
    {
        JsonElement[] tools = fields.Array("tools") ?? [];
        if (tools.Length == 0 || fields.Any("tool_choice") is { ValueKind: JsonValueKind.String } choice && choice.GetString() == "none")
        {
            return null;
        }

        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream))
        {
            writer.WriteStartArray();
            for (int i = 0; i < tools.Length; i++)
            {
                Fields tool = Fields.Of(tools[i], $"tools[{i}]");
                if (tool.Text("type") != "function")
                {
                    throw new ApiException(400, $"'tools[{i}].type' must be function.", $"tools[{i}].type", "unsupported_parameter");
                }

                writer.WriteStartObject();
                writer.WriteString("type", "function");
                writer.WriteStartObject("function");
                writer.WriteString("name", tool.Text("name") ?? throw new ApiException(400, $"'tools[{i}].name' is needed.", $"tools[{i}].name", "missing_required_parameter"));
                if (tool.Text("description") is { } description)
                {
                    writer.WriteString("description", description);
                }

                if (tool.Any("parameters") is { } parameters)
                {
                    writer.WritePropertyName("parameters");
                    parameters.WriteTo(writer);
                }

                if (tool.Flag("strict") == true)
                {
                    writer.WriteBoolean("strict", true);
                }

                writer.WriteEndObject();
                writer.WriteEndObject();
            }

            writer.WriteEndArray();
        }

        using JsonDocument document = JsonDocument.Parse(stream.GetBuffer().AsMemory(0, (int)stream.Length));
        return document.RootElement.Clone();
    }

    private static void Add(Fields item, string place, List<ChatTurn> turns)
    {
        switch (item.Text("type") ?? "message")
        {
            case "message":
                turns.Add(ChatFields.Message(item, place));
                break;
            case "function_call":
                ToolCall call = ChatFields.Call(item, place, item.Text("call_id"));
                // Calls that follow each other are one message's.
                if (turns is [.., { Role: "assistant" } last])
                {
                    turns[^1] = last with { Calls = [.. last.Calls, call] };
                }
                else
                {
                    turns.Add(new ChatTurn("assistant", null) { Calls = [call] });
                }

                break;
            case "function_call_output":
                turns.Add(new ChatTurn("tool", item.Text("output") ?? throw new ApiException(400, $"'{place}.output' is needed.", $"{place}.output", "missing_required_parameter")) { CallId = item.Text("call_id") });
                break;
            case "reasoning":
                break;
            default:
                throw new ApiException(400, $"'{place}.type' must be message, function_call or function_call_output.", $"{place}.type", "unsupported_content");
        }
    }
}
