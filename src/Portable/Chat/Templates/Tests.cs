using System.Numerics;

namespace Portable.Chat.Templates;

/// <summary>The tests of jinja2: value is name(arguments).</summary>
internal sealed class Tests(RenderBudget budget, Func<string, bool> isFilter)
{
    public bool Exists(string name) => Find(name) is not null;

    public bool Apply(string name, object? value, Arguments arguments)
    {
        Func<object?, Arguments, bool> test = Find(name) ?? throw new TemplateException($"no test named '{name}'");
        bool result = test(value, arguments);
        arguments.Done();
        return result;
    }

    private Func<object?, Arguments, bool>? Find(string name) => name switch
    {
        "boolean" => (v, _) => v is bool,
        "callable" => (v, _) => v is Callable,
        "defined" => (v, _) => v is not Undefined,
        "undefined" => (v, _) => v is Undefined,
        "divisibleby" => (v, a) => Python.Equals(Python.Arithmetic("%", v, a.Next("num")), BigInteger.Zero),
        "odd" => (v, _) => Python.Equals(Python.Arithmetic("%", v, new BigInteger(2)), BigInteger.One),
        "even" => (v, _) => Python.Equals(Python.Arithmetic("%", v, new BigInteger(2)), BigInteger.Zero),
        "eq" or "equalto" or "==" => (v, a) => Python.Equals(v, a.Next("other")),
        "ne" or "!=" => (v, a) => !Python.Equals(v, a.Next("other")),
        "lt" or "lessthan" or "<" => (v, a) => Python.Compare(v, a.Next("other"), "<") < 0,
        "le" or "<=" => (v, a) => Python.Compare(v, a.Next("other"), "<=") <= 0,
        "gt" or "greaterthan" or ">" => (v, a) => Python.Compare(v, a.Next("other"), ">") > 0,
        "ge" or ">=" => (v, a) => Python.Compare(v, a.Next("other"), ">=") >= 0,
        "in" => (v, a) => Python.Contains(a.Next("seq"), v, budget),
        "escaped" => (_, _) => false,
        "false" => (v, _) => v is false,
        "true" => (v, _) => v is true,
        "filter" => (v, _) => v is MarkedText text && isFilter(text.Value),
        "test" => (v, _) => v is MarkedText text && Exists(text.Value),
        "float" => (v, _) => v is double,
        "integer" => (v, _) => v is BigInteger,
        "number" => (v, _) => v is bool or BigInteger or double,
        "iterable" => (v, _) => v is MarkedText or Sequence or Mapping or Undefined,
        "sequence" => (v, _) => v is MarkedText or Mapping or Undefined or Sequence { Kind: <= SequenceKind.Range },
        "mapping" => (v, _) => v is Mapping,
        "string" => (v, _) => v is MarkedText,
        "none" => (v, _) => v is null,
        "lower" => (v, _) => TextMethods.IsLower(Printing.Text(v, budget)),
        "upper" => (v, _) => TextMethods.IsUpper(Printing.Text(v, budget)),
        "sameas" => (v, a) => Same(v, a.Next("other")),
        _ => null,
    };

    // Python's "is": small integers, booleans and none are one object each.
    private static bool Same(object? left, object? right) => (left, right) switch
    {
        (null, null) => true,
        (bool a, bool b) => a == b,
        (BigInteger a, BigInteger b) => a == b && BigInteger.Abs(a) <= 256,
        (MarkedText a, MarkedText b) => a.Value == b.Value,
        _ => ReferenceEquals(left, right),
    };
}
