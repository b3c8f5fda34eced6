using System.Text.Json;

namespace Portable.Chat.Templates;

/// <summary>A chat template: the Jinja text that turns messages into the prompt a model was trained on. It gives what jinja2 gives as
/// transformers sets it up (trim_blocks, lstrip_blocks, loop controls, generation blocks, the immutable sandbox), within a
/// <see cref="RenderBudget"/>: a template is untrusted input.</summary>
internal sealed class ChatTemplate
{
    private readonly IReadOnlyList<Statement> _statements;

    private ChatTemplate(IReadOnlyList<Statement> statements) => _statements = statements;

    /// <summary>The longest template that is read, in characters.</summary>
    public const int MaximumLength = 1 << 20;

    /// <summary>Reads a template.</summary>
    /// <exception cref="TemplateException">Its syntax is wrong, or it needs what a chat template has no use for.</exception>
    public static ChatTemplate Parse(string source) => source.Length <= MaximumLength
        ? new ChatTemplate(TemplateParser.Parse(source))
        : throw new TemplateException($"the template is longer than {MaximumLength:N0} characters");

    /// <summary>Renders a conversation.</summary>
    /// <param name="request">Messages, tools and variables.</param>
    /// <param name="specialTokens">The template's own variables: bos_token, eos_token, …; their text is the template's.</param>
    /// <param name="clock">What strftime_now asks.</param>
    /// <param name="cancellation">Ends a rendering.</param>
    /// <exception cref="TemplateException">The template refuses the messages, or fails.</exception>
    public RenderedChat Render(ChatRequest request, IReadOnlyDictionary<string, string> specialTokens, TimeProvider? clock = null, CancellationToken cancellation = default)
    {
        RenderBudget budget = new(cancellation);
        Scope scope = new(null);
        Globals.AddTo(scope, budget, clock ?? TimeProvider.System);
        foreach ((string name, string token) in specialTokens)
        {
            scope.Set(name, new MarkedText(token, false));
        }
        scope.Set("messages", JsonValues.Read(request.Messages, marked: true));
        scope.Set("tools", request.Tools is JsonElement tools ? JsonValues.Read(tools, marked: true) : null);
        scope.Set("documents", null);
        scope.Set("add_generation_prompt", request.AddGenerationPrompt);
        foreach ((string name, JsonElement value) in request.Variables)
        {
            scope.Set(name, JsonValues.Read(value, marked: true));
        }
        MarkedText text = new Interpreter(budget).Run(_statements, new Scope(scope));
        return new RenderedChat(text.Value, text.MarkedRanges());
    }
}
