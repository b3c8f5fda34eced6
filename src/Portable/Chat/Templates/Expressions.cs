namespace Portable.Chat.Templates;

/// <summary>An expression of a template, as the parser found it.</summary>
internal abstract record Expression(int Line);

internal sealed record Constant(object? Value, int Line) : Expression(Line);

internal sealed record Name(string Identifier, int Line) : Expression(Line);

internal sealed record ListLiteral(IReadOnlyList<Expression> Items, bool IsTuple, int Line) : Expression(Line);

internal sealed record MappingLiteral(IReadOnlyList<KeyValuePair<Expression, Expression>> Items, int Line) : Expression(Line);

/// <summary>target.name: an attribute or method first, then an item.</summary>
internal sealed record Attribute(Expression Target, string Identifier, int Line) : Expression(Line);

/// <summary>target[index]: an item first, then an attribute.</summary>
internal sealed record Subscript(Expression Target, Expression Index, int Line) : Expression(Line);

internal sealed record Slice(Expression Target, Expression? Start, Expression? Stop, Expression? Step, int Line) : Expression(Line);

/// <summary>Arguments of a call, filter or test, with what * and ** spread.</summary>
internal sealed record CallArguments(IReadOnlyList<Expression> Positional, IReadOnlyList<KeyValuePair<string, Expression>> Named, Expression? Spread, Expression? SpreadNamed)
{
    public static readonly CallArguments None = new([], [], null, null);
}

internal sealed record Call(Expression Target, CallArguments Arguments, int Line) : Expression(Line);

/// <summary>target | filter(arguments); without a target, of a filter block, what the block holds.</summary>
internal sealed record Filter(Expression? Target, string Identifier, CallArguments Arguments, int Line) : Expression(Line);

internal sealed record Test(Expression Target, string Identifier, CallArguments Arguments, bool Negated, int Line) : Expression(Line);

/// <summary>A unary operator: -, +, not.</summary>
internal sealed record Unary(string Operator, Expression Operand, int Line) : Expression(Line);

/// <summary>A binary operator: arithmetic, ~, and, or.</summary>
internal sealed record Binary(string Operator, Expression Left, Expression Right, int Line) : Expression(Line);

/// <summary>first op second op third …, each neighbour compared, as in Python.</summary>
internal sealed record Comparison(Expression First, IReadOnlyList<KeyValuePair<string, Expression>> Rest, int Line) : Expression(Line);

internal sealed record Conditional(Expression Condition, Expression WhenTrue, Expression? WhenFalse, int Line) : Expression(Line);
