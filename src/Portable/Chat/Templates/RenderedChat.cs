namespace Portable.Chat.Templates;

/// <summary>A rendered conversation.</summary>
/// <param name="Text">What the model is to read.</param>
/// <param name="Marked">The ranges of the text, in UTF-16 units, ascending and apart, that came from messages, tools and variables: a
/// special token's text that overlaps one was typed by somebody, not written by the template.</param>
internal sealed record RenderedChat(string Text, IReadOnlyList<Range> Marked);
