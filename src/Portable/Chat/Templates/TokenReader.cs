namespace Portable.Chat.Templates;

/// <summary>Walks over a template's tokens, and says what it met where something else belongs.</summary>
internal abstract class TokenReader(List<TemplateToken> tokens)
{
    protected int Position { get; private set; }

    protected TemplateToken Current => tokens[Position];

    protected TemplateToken Ahead => tokens[Math.Min(Position + 1, tokens.Count - 1)];

    protected TemplateToken Next() => tokens[Position < tokens.Count - 1 ? Position++ : Position];

    protected bool Accept(string text)
    {
        bool found = Current.Is(text);
        if (found)
        {
            Next();
        }
        return found;
    }

    protected void Expect(string text)
    {
        if (!Accept(text))
        {
            throw new TemplateException($"'{text}' expected, {Describe(Current)} found", Current.Line);
        }
    }

    protected void ExpectName(string name) => Expect(name);

    protected void Expect(TemplateTokenKind kind, string text)
    {
        if (Current.Kind != kind)
        {
            throw new TemplateException($"'{text}' expected, {Describe(Current)} found", Current.Line);
        }
        Next();
    }

    protected TemplateException Unexpected() => new($"unexpected {Describe(Current)}", Current.Line);

    protected string Identifier()
    {
        if (Current.Kind != TemplateTokenKind.Name)
        {
            throw new TemplateException($"a name expected, {Describe(Current)} found", Current.Line);
        }
        return Next().Text;
    }

    /// <summary>Whether a name stands among the tokens from a position to the current one.</summary>
    protected bool Mentions(int from, string name)
    {
        for (int i = from; i < Position; i++)
        {
            if (tokens[i].Kind == TemplateTokenKind.Name && tokens[i].Text == name)
            {
                return true;
            }
        }
        return false;
    }

    protected static string Describe(TemplateToken token) => token.Kind switch
    {
        TemplateTokenKind.End => "the end of the template",
        TemplateTokenKind.VariableEnd => "'}}'",
        TemplateTokenKind.BlockEnd => "'%}'",
        TemplateTokenKind.VariableBegin => "'{{'",
        TemplateTokenKind.BlockBegin => "'{%'",
        TemplateTokenKind.Data => "text",
        _ => $"'{token.Text}'",
    };
}
