namespace Portable.Serving;

/// <summary>A prompt leaves no room in the model's context for an answer.</summary>
/// <param name="message">One line that says how long both are.</param>
internal sealed class PromptLengthException(string message) : ArgumentException(message);
