using System.Text;
using System.Text.Json;
using Portable.Chat.Tools;
using Portable.Server.Http;

namespace Portable.Server.Api;

/// <summary>Messages and tools of a conversation as they come over the wire.</summary>
internal static class ChatFields
{
    private const int MostTools = 128;

    /// <summary>The messages as templates take them.</summary>
    /// <exception cref="ApiException">One has the wrong shape, or holds what the model does not take.</exception>
    public static List<ChatTurn> Messages(Fields fields)
    {
        JsonElement[] messages = fields.Array("messages") ?? throw new ApiException(400, "'messages' is needed.", "messages", "missing_required_parameter");
        if (messages.Length == 0)
        {
            throw new ApiException(400, "'messages' must hold at least one message.", "messages", "invalid_value");
        }

        return [.. messages.Select((message, i) => Message(Fields.Of(message, $"messages[{i}]"), $"messages[{i}]"))];
    }

    /// <summary>The tools to offer, or null for none.</summary>
    /// <exception cref="ApiException">One has the wrong shape.</exception>
    public static JsonElement? Tools(Fields fields)
    {
        fields.Refuse("functions", "function_call");
        JsonElement[]? tools = fields.Array("tools");
        if (tools?.Length > MostTools)
        {
            throw new ApiException(400, $"'tools' must be at most {MostTools}.", "tools", "invalid_value");
        }

        for (int i = 0; i < tools?.Length; i++)
        {
            Fields tool = Fields.Of(tools[i], $"tools[{i}]");
            if (tool.Text("type") != "function")
            {
                throw new ApiException(400, $"'tools[{i}].type' must be function.", $"tools[{i}].type", "invalid_value");
            }

            Fields function = tool.Object("function") ?? throw new ApiException(400, $"'tools[{i}].function' is needed.", $"tools[{i}].function", "missing_required_parameter");
            _ = function.Text("name") ?? throw new ApiException(400, $"'tools[{i}].function.name' is needed.", $"tools[{i}].function.name", "missing_required_parameter");
            _ = function.Flag("strict");
        }

        if (fields.Any("tool_choice") is { } choice)
        {
            string? word = choice.ValueKind == JsonValueKind.String ? choice.GetString() : null;
            if (word is "none")
            {
                return null;
            }
        }

        return tools?.Length > 0 ? fields.Any("tools") : null;
    }

    /// <summary>One message.</summary>
    public static ChatTurn Message(Fields message, string place)
    {
        string role = message.Text("role") ?? throw new ApiException(400, $"'{place}.role' is needed.", $"{place}.role", "missing_required_parameter");
        if (role is not ("system" or "developer" or "user" or "assistant" or "tool"))
        {
            throw new ApiException(400, $"'{place}.role' must be system, developer, user, assistant or tool.", $"{place}.role", "invalid_value");
        }

        message.Refuse("function_call", "audio");
        ToolCall[] calls = [.. (message.Array("tool_calls") ?? []).Select((call, i) => Call(Fields.Of(call, $"{place}.tool_calls[{i}]"), $"{place}.tool_calls[{i}]"))];
        string? content = Content(message, place);
        if (content is null && calls.Length == 0)
        {
            throw new ApiException(400, $"'{place}.content' is needed.", $"{place}.content", "missing_required_parameter");
        }

        // The newer name of the same role.
        return new ChatTurn(role == "developer" ? "system" : role, content) { Calls = calls, CallId = message.Text("tool_call_id"), Name = message.Text("name") };
    }

    private static string? Content(Fields message, string place)
    {
        if (message.Any("content") is not { } content)
        {
            return null;
        }

        if (content.ValueKind == JsonValueKind.String)
        {
            return content.GetString();
        }

        StringBuilder text = new();
        JsonElement[] parts = message.Array("content", "a string or an array of parts")!;
        for (int i = 0; i < parts.Length; i++)
        {
            string where = $"{place}.content[{i}]";
            Fields part = Fields.Of(parts[i], where);
            string? type = part.Text("type");
            text.Append(type switch
            {
                "text" or "input_text" or "output_text" => part.Text("text") ?? throw new ApiException(400, $"'{where}.text' is needed.", $"{where}.text", "missing_required_parameter"),
                _ => throw new ApiException(400, $"'{where}.type' must be text: the model takes nothing else, and nothing is fetched.", $"{where}.type", "unsupported_content"),
            });
        }

        return text.ToString();
    }

    private static ToolCall Call(Fields call, string place) =>
        Call(call.Object("function") ?? throw new ApiException(400, $"'{place}.function' is needed.", $"{place}.function", "missing_required_parameter"), $"{place}.function", call.Text("id"));

    /// <summary>A call of a function.</summary>
    public static ToolCall Call(Fields function, string place, string? id)
    {
        string name = function.Text("name") ?? throw new ApiException(400, $"'{place}.name' is needed.", $"{place}.name", "missing_required_parameter");
        string arguments = function.Text("arguments") is { Length: > 0 } given ? given : "{}";
        try
        {
            using JsonDocument document = JsonDocument.Parse(arguments);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new JsonException();
            }
        }
        catch (JsonException)
        {
            throw new ApiException(400, $"'{place}.arguments' must be the text of a JSON object.", $"{place}.arguments", "invalid_value");
        }

        return new ToolCall(name, arguments, id);
    }
}
