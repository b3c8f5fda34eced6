namespace Portable.Chat.Templates;

/// <summary>Reads a template's statements as jinja2 does with the extensions that transformers loads: loop controls and generation
/// blocks. What needs other files (include, import, extends) is refused by name.</summary>
internal sealed class TemplateParser : ExpressionParser
{
    /// <summary>Blocks and brackets inside one another.</summary>
    public const int MaximumNesting = 100;

    private int _blocks, _loops;

    private TemplateParser(List<TemplateToken> tokens)
        : base(tokens)
    {
    }

    public static IReadOnlyList<Statement> Parse(string source)
    {
        TemplateParser parser = new(TemplateLexer.Read(source));
        IReadOnlyList<Statement> statements = parser.Statements();
        if (parser.Current.Kind != TemplateTokenKind.End)
        {
            throw parser.Unexpected();
        }
        return statements;
    }

    // Statements up to one of the named tags, whose name is then the current token, or to the end of the template.
    private List<Statement> Statements(params ReadOnlySpan<string> ends)
    {
        if (++_blocks > MaximumNesting)
        {
            throw new TemplateException("blocks are nested too deeply", Current.Line);
        }
        List<Statement> statements = [];
        while (true)
        {
            TemplateToken token = Current;
            switch (token.Kind)
            {
                case TemplateTokenKind.End:
                    if (ends.Length > 0)
                    {
                        throw new TemplateException($"the template ends where {string.Join(" or ", ends.ToArray())} should stand", token.Line);
                    }
                    _blocks--;
                    return statements;
                case TemplateTokenKind.Data:
                    Next();
                    statements.Add(new DataText(token.Text, token.Line));
                    break;
                case TemplateTokenKind.VariableBegin:
                    Next();
                    statements.Add(new Output(Tuple(), token.Line));
                    Expect(TemplateTokenKind.VariableEnd, "}}");
                    break;
                default:
                    Expect(TemplateTokenKind.BlockBegin, "{%");
                    if (Current.Kind == TemplateTokenKind.Name && ends.Contains(Current.Text))
                    {
                        _blocks--;
                        return statements;
                    }
                    statements.Add(Block());
                    break;
            }
        }
    }

    private IReadOnlyList<Statement> Body(string end)
    {
        BlockEnd();
        List<Statement> body = Statements(end);
        Next();
        return body;
    }

    private Statement Block()
    {
        TemplateToken token = Current;
        if (token.Kind != TemplateTokenKind.Name)
        {
            throw Unexpected();
        }
        Next();
        Statement statement = token.Text switch
        {
            "if" => ReadIf(token.Line),
            "for" => ReadFor(token.Line),
            "set" => ReadSet(token.Line),
            "macro" => ReadMacro(token.Line),
            "call" => ReadCall(token.Line),
            "filter" => new FilterBlock(Filters(null), Body("endfilter"), token.Line),
            "with" => ReadWith(token.Line),
            "generation" => new Group(Body("endgeneration"), token.Line),
            "block" => ReadBlock(token.Line),
            "autoescape" => ReadAutoescape(token.Line),
            "break" or "continue" when _loops > 0 => new LoopControl(token.Text == "break", token.Line),
            "break" or "continue" => throw new TemplateException($"{token.Text} stands outside of a loop", token.Line),
            "include" or "import" or "from" or "extends" => throw new TemplateException($"{token.Text} is not supported: a chat template is one file", token.Line),
            _ => throw new TemplateException($"unknown tag '{token.Text}'", token.Line),
        };
        BlockEnd();
        return statement;
    }

    private void BlockEnd() => Expect(TemplateTokenKind.BlockEnd, "%}");

    private If ReadIf(int line)
    {
        List<KeyValuePair<Expression, IReadOnlyList<Statement>>> branches = [];
        while (true)
        {
            Expression condition = Tuple(conditional: false);
            BlockEnd();
            branches.Add(new(condition, Statements("elif", "else", "endif")));
            string end = Next().Text;
            if (end == "elif")
            {
                continue;
            }
            return new If(branches, end == "else" ? Body("endif") : [], line);
        }
    }

    private For ReadFor(int line)
    {
        Expression target = Target(withTuple: true, ends: "in");
        ExpectName("in");
        Expression items = Tuple(conditional: false);
        Expression? condition = Accept("if") ? Expression() : null;
        bool recursive = Accept("recursive");
        BlockEnd();
        _loops++;
        List<Statement> body = Statements("else", "endfor");
        _loops--;
        return new For(target, items, condition, recursive, body, Next().Text == "else" ? Body("endfor") : [], line);
    }

    private Statement ReadSet(int line)
    {
        Expression target = Target(withTuple: true, ends: "=", withNamespace: true);
        if (Accept("="))
        {
            return new Set(target, Tuple(), line);
        }
        Expression? filter = Current.Is("|") ? Filters(null) : null;
        return new SetBlock(target, filter, Body("endset"), line);
    }

    private MacroDefinition ReadMacro(int line)
    {
        string name = Identifier();
        Expect("(");
        return Macro(name, "endmacro", line);
    }

    private CallBlock ReadCall(int line)
    {
        MacroDefinition caller;
        (List<string> Parameters, List<Expression> Defaults) signature = Accept("(") ? Signature() : ([], []);
        Expression call = Expression();
        if (call is not Call made)
        {
            throw new TemplateException("call needs a call", line);
        }
        caller = Macro("caller", signature, "endcall", line);
        return new CallBlock(caller, made, line);
    }

    private MacroDefinition Macro(string name, string end, int line) => Macro(name, Signature(), end, line);

    private MacroDefinition Macro(string name, (List<string> Parameters, List<Expression> Defaults) signature, string end, int line)
    {
        int loops = _loops, from = Position;
        _loops = 0;
        IReadOnlyList<Statement> body = Body(end);
        _loops = loops;
        return new MacroDefinition(name, signature.Parameters, signature.Defaults, body, line)
        {
            UsesVarargs = Mentions(from, "varargs"),
            UsesKwargs = Mentions(from, "kwargs"),
            UsesCaller = Mentions(from, "caller"),
        };
    }

    private (List<string> Parameters, List<Expression> Defaults) Signature()
    {
        List<string> parameters = [];
        List<Expression> defaults = [];
        while (!Accept(")"))
        {
            if (parameters.Count > 0)
            {
                Expect(",");
            }
            parameters.Add(Identifier());
            if (Accept("="))
            {
                defaults.Add(Expression());
            }
            else if (defaults.Count > 0)
            {
                throw new TemplateException("a parameter without a default follows one with a default", Current.Line);
            }
        }
        return (parameters, defaults);
    }

    private With ReadWith(int line)
    {
        List<KeyValuePair<Expression, Expression>> bindings = [];
        while (Current.Kind != TemplateTokenKind.BlockEnd)
        {
            if (bindings.Count > 0)
            {
                Expect(",");
            }
            Expression target = Target(withTuple: false, ends: "=");
            Expect("=");
            bindings.Add(new(target, Expression()));
        }
        return new With(bindings, Body("endwith"), line);
    }

    private Group ReadBlock(int line)
    {
        Identifier();
        while (Current.Is("scoped") || Current.Is("required"))
        {
            Next();
        }
        BlockEnd();
        List<Statement> body = Statements("endblock");
        Next();
        if (Current.Kind == TemplateTokenKind.Name)
        {
            Next();
        }
        return new Group(body, line);
    }

    private Group ReadAutoescape(int line)
    {
        if (Expression() is not Constant { Value: false })
        {
            throw new TemplateException("autoescape is not supported", line);
        }
        return new Group(Body("endautoescape"), line);
    }
}
