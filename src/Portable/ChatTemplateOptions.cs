using System.Text.Json;

namespace Portable;

/// <summary>How a conversation is rendered by the model's chat template.</summary>
public sealed record ChatTemplateOptions
{
    /// <summary>Tool definitions for the template, a JSON array; null = none.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>Variables for the template beside messages and tools (enable_thinking, …), by name.</summary>
    public IReadOnlyDictionary<string, JsonElement> Variables { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>Name of the template, where the model has several; null = the model's default, or its template for tools where tools are given.</summary>
    public string? Template { get; init; }

    /// <summary>
    /// Whether the text of a special token inside messages, tools and variables becomes that token. False, the default: it stays
    /// ordinary text, so that nobody can end a turn by typing its token.
    /// </summary>
    public bool TrustMessages { get; init; }
}
