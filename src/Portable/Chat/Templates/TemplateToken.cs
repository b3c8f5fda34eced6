namespace Portable.Chat.Templates;

internal enum TemplateTokenKind
{
    /// <summary>Text between tags.</summary>
    Data,

    /// <summary>{{</summary>
    VariableBegin,

    /// <summary>}}</summary>
    VariableEnd,

    /// <summary>{%</summary>
    BlockBegin,

    /// <summary>%}</summary>
    BlockEnd,
    Name,
    Text,
    Integer,
    Float,
    Operator,
    End,
}

/// <summary>A token of a template: its text (of a string literal: the value), and the line where it starts.</summary>
internal readonly record struct TemplateToken(TemplateTokenKind Kind, string Text, int Line)
{
    public bool Is(string name) => Kind is TemplateTokenKind.Name or TemplateTokenKind.Operator && Text == name;
}
