namespace Portable;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks: system, user, assistant, tool, or what else the model's template knows.</param>
/// <param name="Content">What is said.</param>
public sealed record ChatMessage(string Role, string Content)
{
    /// <summary>A message of the person.</summary>
    public static ChatMessage User(string content) => new("user", content);

    /// <summary>A message of the model.</summary>
    public static ChatMessage Assistant(string content) => new("assistant", content);

    /// <summary>What the model is told to be.</summary>
    public static ChatMessage System(string content) => new("system", content);
}
