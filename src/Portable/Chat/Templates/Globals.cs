using System.Numerics;

namespace Portable.Chat.Templates;

/// <summary>The functions that every template can call.</summary>
internal static class Globals
{
    private const int MaximumRange = 100_000;

    public static void AddTo(Scope scope, RenderBudget budget, TimeProvider clock)
    {
        void Add(string name, Func<Arguments, object?> body) => scope.Set(name, new Callable(name, body));
        Add("range", a => Range(a, budget));
        Add("dict", a => Dictionary(a, budget));
        Add("namespace", a => Namespace(a, budget));
        Add("cycler", a => new Cycler(a.Positional));
        Add("joiner", a => Joiner(a.NextText("sep", ", ")));
        Add("raise_exception", a => throw TemplateException.Raised(Printing.Text(a.Next("message"), budget).Value));
        Add("strftime_now", a => a.NextText("format") is var format ? new MarkedText(TimeFormat.Write(format.Value, clock.GetLocalNow(), budget), format.AnyMarked) : null);
    }

    private static Sequence Range(Arguments arguments, RenderBudget budget)
    {
        BigInteger first = Whole(arguments.Next("start"));
        bool one = arguments.Positional.Count == 1;
        BigInteger start = one ? 0 : first, stop = one ? first : Whole(arguments.Next("stop")), step = one ? 1 : Whole(arguments.Next("step", BigInteger.One));
        arguments.Done();
        if (step.IsZero)
        {
            throw new TemplateException("range() arg 3 must not be zero");
        }
        BigInteger count = step.Sign > 0 ? (stop - start + step - 1) / step : (start - stop - step - 1) / -step;
        count = BigInteger.Max(0, count);
        if (count > MaximumRange)
        {
            throw new TemplateException($"range of more than {MaximumRange:N0} items");
        }
        budget.Step((int)count);
        return new Sequence([.. Enumerable.Range(0, (int)count).Select(object? (i) => start + (i * step))], SequenceKind.Range)
        {
            Label = step.IsOne ? $"range({start}, {stop})" : $"range({start}, {stop}, {step})",
        };
    }

    private static BigInteger Whole(object? value) => Python.Integer(value) ?? throw (value is Undefined undefined ? undefined.Error() : new TemplateException($"'{Python.TypeName(value)}' object cannot be interpreted as an integer"));

    private static Mapping Dictionary(Arguments arguments, RenderBudget budget)
    {
        Mapping mapping = new();
        if (arguments.Positional.Count > 1)
        {
            throw new TemplateException("dict expected at most 1 argument");
        }
        foreach (object? source in arguments.Positional)
        {
            if (source is Mapping other)
            {
                foreach ((object? key, object? value) in other.Items)
                {
                    mapping.Set(key, value);
                }
                continue;
            }
            foreach (object? pair in Python.Walk(source, budget))
            {
                IReadOnlyList<object?> parts = Python.Walk(pair, budget);
                mapping.Set(parts.Count == 2 ? parts[0] : throw new TemplateException("dict: pairs of keys and values expected"), parts[1]);
            }
        }
        foreach ((object? key, object? value) in arguments.Named.Items)
        {
            mapping.Set(key, value);
        }
        budget.Step(mapping.Count);
        return mapping;
    }

    private static Namespace Namespace(Arguments arguments, RenderBudget budget)
    {
        Namespace space = new();
        foreach ((object? key, object? value) in Dictionary(arguments, budget).Items)
        {
            space.Values.Set(key, value);
        }
        return space;
    }

    private static Callable Joiner(MarkedText separator)
    {
        bool used = false;
        return new Callable("joiner", _ =>
        {
            MarkedText text = used ? separator : MarkedText.Empty;
            used = true;
            return text;
        });
    }

    private sealed class Cycler(IReadOnlyList<object?> items) : IAttributes
    {
        private int _at;

        public bool TryGet(string name, out object? value)
        {
            value = name switch
            {
                "current" => items[_at],
                "next" => new Callable(name, _ =>
                {
                    object? current = items[_at];
                    _at = (_at + 1) % items.Count;
                    return current;
                }),
                "reset" => new Callable(name, _ =>
                {
                    _at = 0;
                    return null;
                }),
                _ => this,
            };
            return value != this;
        }
    }
}
