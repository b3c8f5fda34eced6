namespace Portable.Chat.Templates;

/// <summary>A statement of a template, as the parser found it.</summary>
internal abstract record Statement(int Line);

internal sealed record DataText(MarkedText Text, int Line) : Statement(Line);

internal sealed record Output(Expression Value, int Line) : Statement(Line);

internal sealed record If(IReadOnlyList<KeyValuePair<Expression, IReadOnlyList<Statement>>> Branches, IReadOnlyList<Statement> Else, int Line) : Statement(Line);

internal sealed record For(Expression Target, Expression Items, Expression? Condition, bool Recursive, IReadOnlyList<Statement> Body, IReadOnlyList<Statement> Else, int Line) : Statement(Line);

internal sealed record Set(Expression Target, Expression Value, int Line) : Statement(Line);

/// <summary>{% set name %}…{% endset %}, through filters where there are any.</summary>
internal sealed record SetBlock(Expression Target, Expression? Filter, IReadOnlyList<Statement> Body, int Line) : Statement(Line);

internal sealed record MacroDefinition(string Identifier, IReadOnlyList<string> Parameters, IReadOnlyList<Expression> Defaults, IReadOnlyList<Statement> Body, int Line) : Statement(Line)
{
    /// <summary>Whether the body speaks of what it was given beyond its parameters.</summary>
    public bool UsesVarargs { get; init; }

    public bool UsesKwargs { get; init; }

    public bool UsesCaller { get; init; }
}

/// <summary>{% call(parameters) macro(…) %}…{% endcall %}: the body is the macro's caller().</summary>
internal sealed record CallBlock(MacroDefinition Caller, Call Call, int Line) : Statement(Line);

internal sealed record FilterBlock(Expression Filter, IReadOnlyList<Statement> Body, int Line) : Statement(Line);

internal sealed record With(IReadOnlyList<KeyValuePair<Expression, Expression>> Bindings, IReadOnlyList<Statement> Body, int Line) : Statement(Line);

/// <summary>Statements in a scope of their own: {% generation %}, {% block %}.</summary>
internal sealed record Group(IReadOnlyList<Statement> Body, int Line) : Statement(Line);

/// <summary>{% break %} and {% continue %}.</summary>
internal sealed record LoopControl(bool Break, int Line) : Statement(Line);
