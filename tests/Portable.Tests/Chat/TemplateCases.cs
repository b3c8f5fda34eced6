using System.Text.Json;
using Portable.Chat.Templates;

namespace Portable.Tests.Chat;

/// <summary>Renders a template over one short conversation.</summary>
internal static class TemplateCases
{
    public static RenderedChat Render(string template, string? content = null, TimeProvider? clock = null) =>
        ChatTemplate.Parse(template).Render(Request(content), new Dictionary<string, string>(), clock);

    public static ChatRequest Request(string? content = null)
    {
        string message = JsonSerializer.Serialize(content ?? "Hello.");
        JsonElement messages = Parse("""[{"role": "user", "content": @}, {"role": "assistant", "content": "Yes?", "name": @}, {"role": "user", "content": @}]""");
        JsonElement tools = Parse("""[{"type": "function", "function": {"name": "look", "description": @, "parameters": {"type": "object", "properties": {"at": {"type": "string"}}}}}]""");
        return new ChatRequest(messages, tools, true, new Dictionary<string, JsonElement> { ["note"] = Parse("@") });

        JsonElement Parse(string json) => JsonDocument.Parse(json.Replace("@", message, StringComparison.Ordinal)).RootElement;
    }
}
