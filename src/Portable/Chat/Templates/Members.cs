using System.Numerics;

namespace Portable.Chat.Templates;

/// <summary>Attributes, methods and items of values: what a template may reach, and nothing else. Methods that would change a list or
/// mapping exist and are forbidden, as in the sandbox that transformers uses.</summary>
internal sealed class Members(RenderBudget budget)
{
    private static readonly HashSet<string> ChangesMapping = ["clear", "pop", "popitem", "setdefault", "update"];
    private static readonly HashSet<string> ChangesList = ["append", "clear", "pop", "reverse", "insert", "sort", "extend", "remove"];

    /// <summary>target.name: an attribute, else an item.</summary>
    public object? Attribute(object? target, string name) =>
        TryAttribute(target, name, out object? value) || Python.TryItem(target, new MarkedText(name, false), out value) ? value : Missing(target, name);

    /// <summary>target[key]: an item, else an attribute.</summary>
    public object? Item(object? target, object? key)
    {
        if (target is Undefined undefined)
        {
            throw undefined.Error();
        }
        if (Python.TryItem(target, key, out object? value))
        {
            return value;
        }
        return key is MarkedText name && TryAttribute(target, name.Value, out value) ? value : Missing(target, Printing.Text(key, budget).Value);
    }

    private static Undefined Missing(object? target, string name) => new($"'{Python.TypeName(target)} object' has no attribute '{name}'");

    private bool TryAttribute(object? target, string name, out object? value)
    {
        if (target is Undefined undefined)
        {
            throw undefined.Error();
        }
        value = null;
        if (target is Namespace space)
        {
            return space.Values.TryGet((MarkedText)name, out value);
        }
        if (target is IAttributes attributes)
        {
            return attributes.TryGet(name, out value);
        }
        if (IsForbidden(target, name))
        {
            value = new Undefined($"access to attribute '{name}' of '{Python.TypeName(target)}' object is unsafe", forbidden: true);
            return true;
        }
        value = target switch
        {
            Sequence { Fields.Count: > 0 } sequence when sequence.Fields.Contains(name) => sequence.Items[sequence.Fields.ToList().IndexOf(name)],
            MarkedText text => TextMethods.Bind(text, name, budget),
            Mapping mapping => MappingMethod(mapping, name),
            Sequence { Kind: <= SequenceKind.Range } sequence => SequenceMethod(sequence, name),
            double number when name == "is_integer" => Method(name, _ => double.IsInteger(number)),
            BigInteger when name == "is_integer" => Method(name, _ => true),
            BigInteger number when name == "bit_length" => Method(name, _ => (BigInteger)BigInteger.Abs(number).GetBitLength()),
            Callable callable when name == "name" => (MarkedText)callable.Name,
            _ => null,
        };
        return value is not null;
    }

    private static bool IsForbidden(object? target, string name) =>
        (name.StartsWith("__", StringComparison.Ordinal) && name.EndsWith("__", StringComparison.Ordinal))
        || (target is Mapping && ChangesMapping.Contains(name))
        || (target is Sequence { Kind: SequenceKind.List } && ChangesList.Contains(name));

    private static Callable Method(string name, Func<Arguments, object?> body) => new(name, arguments =>
    {
        object? result = body(arguments);
        arguments.Done();
        return result;
    });

    private static Callable? MappingMethod(Mapping mapping, string name) => name switch
    {
        "get" => Method(name, a => mapping.TryGet(a.Next("key"), out object? found) ? Skip(a, found) : a.Next("default", null)),
        "items" => Method(name, _ => View(mapping.Items.Select(object? (i) => new Sequence([i.Key, i.Value], SequenceKind.Tuple)))),
        "keys" => Method(name, _ => View(mapping.Items.Select(i => i.Key))),
        "values" => Method(name, _ => View(mapping.Items.Select(i => i.Value))),
        "copy" => Method(name, _ => mapping),
        _ => null,
    };

    private static object? Skip(Arguments arguments, object? value)
    {
        arguments.Next("default", null);
        return value;
    }

    private static Sequence View(IEnumerable<object?> items) => new([.. items], SequenceKind.View);

    private Callable? SequenceMethod(Sequence sequence, string name) => name switch
    {
        "count" => Method(name, a =>
        {
            object? value = a.Next("value");
            budget.Step(sequence.Items.Count);
            return (BigInteger)sequence.Items.Count(i => Python.Equals(i, value));
        }),
        "index" => Method(name, a =>
        {
            object? value = a.Next("value");
            budget.Step(sequence.Items.Count);
            int at = sequence.Items.ToList().FindIndex(i => Python.Equals(i, value));
            return at >= 0 ? (BigInteger)at : throw new TemplateException("the value is not in the list");
        }),
        "copy" when sequence.Kind == SequenceKind.List => Method(name, _ => sequence),
        _ => null,
    };
}
