namespace Portable.Chat.Tools;

/// <summary>A function that a model wants called.</summary>
/// <param name="Name">Its name.</param>
/// <param name="Arguments">Its arguments, a JSON object.</param>
/// <param name="Id">What an answer to it refers to, or null.</param>
public sealed record ToolCall(string Name, string Arguments, string? Id = null);
