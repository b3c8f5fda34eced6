namespace Portable;

/// <summary>One message of a conversation.</summary>
/// <param name="Role">Who speaks: system, user, assistant, tool, or another role that the model's chat template knows.</param>
/// <param name="Content">What is said.</param>
public sealed record ChatMessage(string Role, string Content)
{
    /// <summary>A message by the user.</summary>
    public static ChatMessage User(string content) => new("user", content);

    /// <summary>An answer of the model, earlier in the conversation.</summary>
    public static ChatMessage Assistant(string content) => new("assistant", content);

    /// <summary>Instructions to the model that hold for the whole conversation (the system prompt).</summary>
    public static ChatMessage System(string content) => new("system", content);
}
