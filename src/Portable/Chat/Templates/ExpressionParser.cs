using System.Globalization;
using System.Numerics;

namespace Portable.Chat.Templates;

/// <summary>Reads a template's expressions with jinja2's grammar: from the loosest, a if b else c, over or, and, not, comparisons, + -,
/// ~, * / // %, ** and signs to names and literals with what follows them.</summary>
internal abstract class ExpressionParser(List<TemplateToken> tokens) : TokenReader(tokens)
{
    private const int MaximumLinks = 500, MaximumOperators = 1000;
    private static readonly string[] Comparisons = ["==", "!=", "<", "<=", ">", ">="];
    private int _depth;

    /// <summary>What is assigned to: a name, an attribute of a namespace, or several names with commas.</summary>
    protected Expression Target(bool withTuple, string ends, bool withNamespace = false)
    {
        int line = Current.Line;
        if (withNamespace && Current.Kind == TemplateTokenKind.Name && Ahead.Is("."))
        {
            string owner = Next().Text;
            Next();
            return new Attribute(new Name(owner, line), Identifier(), line);
        }
        List<Expression> parts = [];
        bool tuple = false;
        do
        {
            if (parts.Count > 0 && (Current.Is(ends) || Current.Kind == TemplateTokenKind.BlockEnd))
            {
                break;
            }
            parts.Add(TargetPart());
            tuple |= withTuple && Current.Is(",");
        }
        while (withTuple && Accept(","));
        return tuple ? new ListLiteral(parts, true, line) : parts[0];
    }

    private Expression TargetPart()
    {
        int line = Current.Line;
        if (Accept("("))
        {
            return Deeper(() =>
            {
                Expression inner = Target(withTuple: true, ends: ")");
                Expect(")");
                return inner;
            });
        }
        string name = Identifier();
        return name is "true" or "false" or "none" or "True" or "False" or "None"
            ? throw new TemplateException($"{name} cannot be assigned to", line)
            : new Name(name, line);
    }

    /// <summary>One expression, or several with commas: a tuple.</summary>
    protected Expression Tuple(bool conditional = true, bool parenthesized = false)
    {
        int line = Current.Line;
        List<Expression> items = [];
        bool tuple = false;
        while (true)
        {
            if (items.Count > 0)
            {
                if (!Accept(","))
                {
                    break;
                }
                tuple = true;
            }
            if (EndsTuple())
            {
                break;
            }
            items.Add(conditional ? Expression() : Or());
            if (!Current.Is(","))
            {
                break;
            }
        }
        if (items.Count == 1 && !tuple)
        {
            return items[0];
        }
        if (items.Count == 0 && !parenthesized)
        {
            throw new TemplateException($"an expression expected, {Describe(Current)} found", Current.Line);
        }
        return new ListLiteral(items, true, line);
    }

    private bool EndsTuple() => Current.Kind is TemplateTokenKind.VariableEnd or TemplateTokenKind.BlockEnd || Current.Is(")");

    protected Expression Expression() => Deeper(() =>
    {
        Expression result = Or();
        for (int links = 0; Current.Is("if"); links++)
        {
            Bound(links);
            int line = Next().Line;
            Expression condition = Or();
            result = new Conditional(condition, result, Accept("else") ? Expression() : null, line);
        }
        return result;
    });

    private Expression Deeper(Func<Expression> read)
    {
        if (++_depth > TemplateParser.MaximumNesting)
        {
            throw new TemplateException("expressions are nested too deeply", Current.Line);
        }
        Expression result = read();
        _depth--;
        return result;
    }

    private Expression Or() => LeftToRight(And, "or");

    private Expression And() => LeftToRight(Not, "and");

    private Expression Not()
    {
        if (!Current.Is("not"))
        {
            return Compare();
        }
        int line = Next().Line;
        return new Unary("not", Deeper(Not), line);
    }

    private Expression Compare()
    {
        Expression first = Sum();
        List<KeyValuePair<string, Expression>>? rest = null;
        int line = Current.Line;
        while (true)
        {
            string? op = Current.Kind == TemplateTokenKind.Operator && Comparisons.Contains(Current.Text) ? Current.Text
                : Current.Is("in") ? "in"
                : Current.Is("not") && Ahead.Is("in") ? "not in"
                : null;
            if (op is null)
            {
                return rest is null ? first : new Comparison(first, rest, line);
            }
            Next();
            if (op == "not in")
            {
                Next();
            }
            (rest ??= []).Add(new(op, Sum()));
        }
    }

    private Expression Sum() => LeftToRight(Concatenation, "+", "-");

    private Expression Concatenation() => LeftToRight(Product, "~");

    private Expression Product() => LeftToRight(Power, "*", "/", "//", "%");

    private Expression Power() => LeftToRight(() => Signed(true), "**");

    // A chain of one level's operators.
    private Expression LeftToRight(Func<Expression> operand, params ReadOnlySpan<string> operators)
    {
        Expression left = operand();
        int links = 0;
        while (Current.Kind is TemplateTokenKind.Operator or TemplateTokenKind.Name && operators.Contains(Current.Text))
        {
            Bound(++links, MaximumOperators);
            TemplateToken op = Next();
            left = new Binary(op.Text, left, operand(), op.Line);
        }
        return left;
    }

    private Expression Signed(bool withFilters)
    {
        int line = Current.Line;
        Expression expression;
        if (Current.Is("-") || Current.Is("+"))
        {
            string sign = Next().Text;
            expression = new Unary(sign, Deeper(() => Signed(false)), line);
        }
        else
        {
            expression = Primary();
        }
        expression = Postfix(expression);
        return withFilters ? FiltersAndTests(expression) : expression;
    }

    private Expression Primary()
    {
        TemplateToken token = Current;
        switch (token.Kind)
        {
            case TemplateTokenKind.Name:
                Next();
                return token.Text switch
                {
                    "true" or "True" => new Constant(true, token.Line),
                    "false" or "False" => new Constant(false, token.Line),
                    "none" or "None" => new Constant(null, token.Line),
                    _ => new Name(token.Text, token.Line),
                };
            case TemplateTokenKind.Text:
                string text = Next().Text;
                while (Current.Kind == TemplateTokenKind.Text)
                {
                    text += Next().Text;
                }
                return new Constant(new MarkedText(text, false), token.Line);
            case TemplateTokenKind.Integer:
                Next();
                return new Constant(Integer(token), token.Line);
            case TemplateTokenKind.Float:
                Next();
                return new Constant(double.Parse(token.Text, CultureInfo.InvariantCulture), token.Line);
        }
        if (Accept("("))
        {
            Expression inner = Deeper(() => Tuple(parenthesized: true));
            Expect(")");
            return inner;
        }
        if (Accept("["))
        {
            return new ListLiteral(Items("]"), false, token.Line);
        }
        return Accept("{") ? Mapping(token.Line) : throw Unexpected();
    }

    private static BigInteger Integer(TemplateToken token)
    {
        string text = token.Text.Replace("_", string.Empty, StringComparison.Ordinal);
        if (text.Length > 1000)
        {
            throw new TemplateException("a number is too long", token.Line);
        }
        if (text.Length > 2 && text[0] == '0' && char.IsAsciiLetter(text[1]))
        {
            int radix = char.ToLowerInvariant(text[1]) switch { 'x' => 16, 'o' => 8, _ => 2 };
            BigInteger value = 0;
            foreach (char c in text.AsSpan(2))
            {
                int digit = Convert.ToInt32(c.ToString(), 16);
                value = digit < radix ? (value * radix) + digit : throw new TemplateException($"'{token.Text}' is no number", token.Line);
            }
            return value;
        }
        return BigInteger.Parse(text, CultureInfo.InvariantCulture);
    }

    private List<Expression> Items(string end)
    {
        List<Expression> items = [];
        while (!Accept(end))
        {
            if (items.Count > 0)
            {
                Expect(",");
                if (Accept(end))
                {
                    break;
                }
            }
            items.Add(Expression());
        }
        return items;
    }

    private MappingLiteral Mapping(int line)
    {
        List<KeyValuePair<Expression, Expression>> items = [];
        while (!Accept("}"))
        {
            if (items.Count > 0)
            {
                Expect(",");
                if (Accept("}"))
                {
                    break;
                }
            }
            Expression key = Expression();
            Expect(":");
            items.Add(new(key, Expression()));
        }
        return new MappingLiteral(items, line);
    }

    private Expression Postfix(Expression expression)
    {
        for (int links = 0; ; links++)
        {
            Bound(links);
            int line = Current.Line;
            if (Accept("."))
            {
                expression = Current.Kind == TemplateTokenKind.Integer
                    ? new Subscript(expression, new Constant(Integer(Next()), line), line)
                    : new Attribute(expression, Identifier(), line);
            }
            else if (Accept("["))
            {
                expression = Index(expression, line);
            }
            else if (Accept("("))
            {
                expression = new Call(expression, Arguments(), line);
            }
            else
            {
                return expression;
            }
        }
    }

    private Expression Index(Expression target, int line)
    {
        Expression? start = Current.Is(":") ? null : Expression();
        if (!Current.Is(":"))
        {
            if (Current.Is(","))
            {
                throw new TemplateException("an index with a comma is not supported", line);
            }
            Expect("]");
            return new Subscript(target, start!, line);
        }
        Next();
        Expression? stop = Current.Is(":") || Current.Is("]") ? null : Expression();
        Expression? step = Accept(":") && !Current.Is("]") ? Expression() : null;
        Expect("]");
        return new Slice(target, start, stop, step, line);
    }

    private CallArguments Arguments()
    {
        List<Expression> positional = [];
        List<KeyValuePair<string, Expression>> named = [];
        Expression? spread = null, spreadNamed = null;
        bool first = true;
        while (!Accept(")"))
        {
            if (!first)
            {
                Expect(",");
                if (Accept(")"))
                {
                    break;
                }
            }
            first = false;
            int line = Current.Line;
            if (Accept("**"))
            {
                spreadNamed = spreadNamed is null ? Expression() : throw new TemplateException("a call spreads ** twice", line);
            }
            else if (Accept("*"))
            {
                spread = spread is null && spreadNamed is null ? Expression() : throw new TemplateException("a call spreads * twice or after **", line);
            }
            else if (Current.Kind == TemplateTokenKind.Name && Ahead.Is("="))
            {
                string name = Next().Text;
                Next();
                named.Add(spreadNamed is null ? new(name, Expression()) : throw new TemplateException("a named argument follows **", line));
            }
            else
            {
                positional.Add(named.Count == 0 && spread is null && spreadNamed is null ? Expression() : throw new TemplateException("a positional argument follows a named one", line));
            }
        }
        return new CallArguments(positional, named, spread, spreadNamed);
    }

    private Expression FiltersAndTests(Expression expression)
    {
        for (int links = 0; ; links++)
        {
            Bound(links);
            int line = Current.Line;
            if (Current.Is("|"))
            {
                expression = Filters(expression);
            }
            else if (Accept("is"))
            {
                expression = ReadTest(expression, line);
            }
            else if (Accept("("))
            {
                expression = new Call(expression, Arguments(), line);
            }
            else
            {
                return expression;
            }
        }
    }

    /// <summary>A chain of filters; the first | may be missing where no target is given (a filter block).</summary>
    protected Expression Filters(Expression? target)
    {
        Expression? result = target;
        bool first = target is null;
        for (int links = 0; Accept("|") || first; first = false)
        {
            Bound(++links);
            int line = Current.Line;
            string name = DottedName();
            result = new Filter(result, name, Accept("(") ? Arguments() : CallArguments.None, line);
        }
        return result!;
    }

    private Test ReadTest(Expression target, int line)
    {
        bool negated = Accept("not");
        string name = DottedName();
        CallArguments arguments = CallArguments.None;
        if (Accept("("))
        {
            arguments = Arguments();
        }
        else if (StartsTestArgument())
        {
            if (Current.Is("is"))
            {
                throw new TemplateException("tests cannot be chained with is", Current.Line);
            }
            arguments = new CallArguments([Postfix(Primary())], [], null, null);
        }
        return new Test(target, name, arguments, negated, line);
    }

    private bool StartsTestArgument() => Current.Kind is TemplateTokenKind.Text or TemplateTokenKind.Integer or TemplateTokenKind.Float
        || (Current.Kind == TemplateTokenKind.Name && Current.Text is not ("else" or "or" or "and"))
        || Current.Is("[") || Current.Is("{");

    private string DottedName()
    {
        string name = Identifier();
        while (Accept("."))
        {
            name += "." + Identifier();
        }
        return name;
    }

    // A chain is a loop here, and a deep tree where it is evaluated.
    private void Bound(int links, int most = MaximumLinks)
    {
        if (links > most)
        {
            throw new TemplateException("an expression is too long", Current.Line);
        }
    }
}
