using System.Text.Json;

namespace Portable;

/// <summary>How a conversation is put before a model.</summary>
public sealed record ChatOptions
{
    /// <summary>Tool definitions for the template: a JSON array, or nothing.</summary>
    public JsonElement? Tools { get; init; }

    /// <summary>More names for the template: enable_thinking, …</summary>
    public IReadOnlyDictionary<string, JsonElement> Variables { get; init; } = new Dictionary<string, JsonElement>();

    /// <summary>Name of the template, where the model has several; null: its own choice.</summary>
    public string? Template { get; init; }

    /// <summary>
    /// Special tokens that messages, tools and variables spell are special tokens. Without it they are ordinary text: nobody ends a
    /// turn by typing its token.
    /// </summary>
    public bool TrustMessages { get; init; }
}
