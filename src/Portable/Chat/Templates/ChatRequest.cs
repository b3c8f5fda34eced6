using System.Text.Json;

namespace Portable.Chat.Templates;

/// <summary>What a template renders.</summary>
/// <param name="Messages">An array of objects with role, content and what else the template knows.</param>
/// <param name="Tools">An array of tool definitions, or nothing.</param>
/// <param name="AddGenerationPrompt">Whether the text ends with the start of the assistant's turn.</param>
/// <param name="Variables">More names for the template: enable_thinking, …</param>
internal sealed record ChatRequest(JsonElement Messages, JsonElement? Tools, bool AddGenerationPrompt, IReadOnlyDictionary<string, JsonElement> Variables);
