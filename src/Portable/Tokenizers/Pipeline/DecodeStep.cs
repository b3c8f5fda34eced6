using System.Text;

namespace Portable.Tokenizers.Pipeline;

/// <summary>A part of a token on its way to text.</summary>
/// <param name="Text">The part.</param>
/// <param name="Begins">It is the first part of its token.</param>
/// <param name="Ends">It is the last.</param>
internal readonly record struct TokenPart(string Text, bool Begins, bool Ends)
{
    public static TokenPart Whole(string token) => new(token, true, true);
}

/// <summary>
/// A step from tokens to text. Tokens pass through as they come, whole or part by part, and what a step must see more of
/// first is held back until then: so whole texts and streams are decoded by the same code, to the same text.
/// </summary>
internal abstract class DecodeStep
{
    private Action<TokenPart> _output = _ => { };

    /// <summary>Takes a part of a token.</summary>
    public abstract void Push(TokenPart part);

    /// <summary>Gives what is held back: there are no more tokens.</summary>
    public virtual void Flush()
    {
    }

    /// <summary>A line of steps that gives text.</summary>
    /// <param name="steps">The steps, used by this line alone.</param>
    /// <param name="text">Receives text.</param>
    /// <returns>What takes tokens, and what ends them.</returns>
    public static (Action<TokenPart> Push, Action Flush) Chain(IReadOnlyList<DecodeStep> steps, Action<string> text)
    {
        Action<TokenPart> next = part => text(part.Text);
        foreach (DecodeStep step in steps.Reverse())
        {
            step._output = next;
            next = step.Push;
        }

        return (next, () =>
        {
            foreach (DecodeStep step in steps)
            {
                step.Flush();
            }
        });
    }

    protected void Output(TokenPart part) => _output(part);
}

/// <summary>A step that works on whole tokens.</summary>
internal abstract class WholeTokenStep : DecodeStep
{
    private readonly StringBuilder _parts = new();

    public sealed override void Push(TokenPart part)
    {
        if (part is { Begins: true, Ends: true })
        {
            Push(part.Text);
            return;
        }

        _parts.Append(part.Text);
        if (part.Ends)
        {
            string token = _parts.ToString();
            _parts.Clear();
            Push(token);
        }
    }

    protected abstract void Push(string token);
}
