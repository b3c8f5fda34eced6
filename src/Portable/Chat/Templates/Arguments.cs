using System.Numerics;

namespace Portable.Chat.Templates;

/// <summary>What a callable is given. A callable names its parameters in order and takes each by position or name; what is left over
/// is an error.</summary>
internal sealed class Arguments(string callee, IReadOnlyList<object?> positional, Mapping named)
{
    private readonly HashSet<string> _taken = [];
    private int _parameters;

    public IReadOnlyList<object?> Positional => positional;

    public Mapping Named => named;

    public string Callee => callee;

    /// <summary>The next parameter, or null in <paramref name="value"/> where it is not given.</summary>
    public bool TryNext(string name, out object? value)
    {
        int at = _parameters++;
        _taken.Add(name);
        if (at < positional.Count)
        {
            value = positional[at];
            return true;
        }
        return named.TryGet((MarkedText)name, out value);
    }

    public object? Next(string name) => TryNext(name, out object? value) ? value : throw new TemplateException($"{callee} misses its argument '{name}'");

    public object? Next(string name, object? otherwise) => TryNext(name, out object? value) ? value : otherwise;

    public bool NextFlag(string name, bool otherwise = false) => TryNext(name, out object? value) ? Python.IsTrue(value) : otherwise;

    public int NextInteger(string name, int? otherwise = null)
    {
        object? value = otherwise is int known ? Next(name, (BigInteger)known) : Next(name);
        return Python.Integer(value) is BigInteger number && number >= int.MinValue && number <= int.MaxValue
            ? (int)number
            : throw new TemplateException($"{callee}: '{name}' must be an integer");
    }

    public MarkedText NextText(string name, MarkedText? otherwise = null) => (otherwise is null ? Next(name) : Next(name, otherwise)) as MarkedText
        ?? throw new TemplateException($"{callee}: '{name}' must be a string");

    /// <summary>Fails where more was given than the parameters taken.</summary>
    public void Done()
    {
        if (positional.Count > _parameters)
        {
            throw new TemplateException($"{callee} takes {_parameters} arguments, {positional.Count} are given");
        }
        foreach ((object? key, _) in named.Items)
        {
            if (!_taken.Contains(((MarkedText)key!).Value))
            {
                throw new TemplateException($"{callee} has no argument '{key}'");
            }
        }
    }
}
