namespace Portable.Chat.Templates;

/// <summary>Walks a template's statements and writes what they say.</summary>
internal sealed class Interpreter
{
    private readonly RenderBudget _budget;
    private readonly Evaluator _evaluator;
    private MarkedTextBuilder _output = new();

    private enum Flow
    {
        Next,
        Break,
        Continue,
    }

    public Interpreter(RenderBudget budget)
    {
        _budget = budget;
        _evaluator = new Evaluator(budget);
    }

    public MarkedText Run(IReadOnlyList<Statement> statements, Scope scope)
    {
        Execute(statements, scope);
        return _output.ToText();
    }

    private Flow Execute(IReadOnlyList<Statement> statements, Scope scope)
    {
        foreach (Statement statement in statements)
        {
            _budget.Step();
            Flow flow;
            try
            {
                flow = Execute(statement, scope);
            }
            catch (TemplateException failure) when (failure.Line == 0 && !failure.IsRaised)
            {
                throw new TemplateException(failure.Message, statement.Line, failure);
            }
            if (flow != Flow.Next)
            {
                return flow;
            }
        }
        return Flow.Next;
    }

    private Flow Execute(Statement statement, Scope scope)
    {
        switch (statement)
        {
            case DataText data:
                Write(data.Text);
                return Flow.Next;
            case Output output:
                Write(Printing.Text(_evaluator.Evaluate(output.Value, scope), _budget));
                return Flow.Next;
            case If choice:
                foreach ((Expression condition, IReadOnlyList<Statement> body) in choice.Branches)
                {
                    if (Python.IsTrue(_evaluator.Evaluate(condition, scope)))
                    {
                        return Execute(body, scope);
                    }
                }
                return Execute(choice.Else, scope);
            case For loop:
                Walk(loop, Python.Walk(_evaluator.Evaluate(loop.Items, scope), _budget), scope, 0);
                return Flow.Next;
            case LoopControl control:
                return control.Break ? Flow.Break : Flow.Continue;
            case Set set:
                _evaluator.Assign(set.Target, _evaluator.Evaluate(set.Value, scope), scope);
                return Flow.Next;
            case SetBlock set:
                object? text = Captured(set.Body, new Scope(scope));
                _evaluator.Assign(set.Target, set.Filter is null ? text : _evaluator.Evaluate(set.Filter, scope, text), scope);
                return Flow.Next;
            case MacroDefinition macro:
                scope.Set(macro.Identifier, Macro(macro, scope));
                return Flow.Next;
            case CallBlock block:
                Write(Printing.Text(_evaluator.Call(block.Call, scope, Macro(block.Caller, scope)), _budget));
                return Flow.Next;
            case FilterBlock block:
                Write(Printing.Text(_evaluator.Evaluate(block.Filter, scope, Captured(block.Body, new Scope(scope))), _budget));
                return Flow.Next;
            case With with:
                Scope inner = new(scope);
                foreach ((Expression target, Expression value) in with.Bindings)
                {
                    _evaluator.Assign(target, _evaluator.Evaluate(value, scope), inner);
                }
                return Execute(with.Body, inner);
            default:
                return Execute(((Group)statement).Body, new Scope(scope));
        }
    }

    private void Walk(For loop, IReadOnlyList<object?> items, Scope outer, int depth)
    {
        if (loop.Condition is not null)
        {
            items = [.. items.Where(item =>
            {
                Scope candidate = new(outer);
                _evaluator.Assign(loop.Target, item, candidate);
                return Python.IsTrue(_evaluator.Evaluate(loop.Condition, candidate));
            })];
        }
        Callable? recursion = !loop.Recursive ? null : new Callable("loop", arguments =>
        {
            object? children = arguments.Next("iterable");
            arguments.Done();
            return Deeper(() => Captured(() => Walk(loop, Python.Walk(children, _budget), outer, depth + 1)));
        });
        LoopState state = new(items, depth, recursion);
        for (int i = 0; i < items.Count; i++)
        {
            _budget.Step();
            state.Index = i;
            Scope scope = new(outer);
            scope.Set("loop", state);
            _evaluator.Assign(loop.Target, items[i], scope);
            if (Execute(loop.Body, scope) == Flow.Break)
            {
                break;
            }
        }
        if (items.Count == 0)
        {
            Execute(loop.Else, new Scope(outer));
        }
    }

    private Callable Macro(MacroDefinition macro, Scope definition) => new(macro.Identifier, arguments => Deeper(() =>
    {
        Scope scope = new(definition);
        int required = macro.Parameters.Count - macro.Defaults.Count;
        for (int i = 0; i < macro.Parameters.Count; i++)
        {
            string name = macro.Parameters[i];
            if (!arguments.TryNext(name, out object? value))
            {
                value = i >= required ? _evaluator.Evaluate(macro.Defaults[i - required], scope) : new Undefined($"parameter '{name}' was not provided");
            }
            scope.Set(name, value);
        }
        Surplus(macro, arguments, scope);
        return Captured(macro.Body, scope);
    }));

    private static void Surplus(MacroDefinition macro, Arguments arguments, Scope scope)
    {
        IReadOnlyList<object?> extra = [.. arguments.Positional.Skip(macro.Parameters.Count)];
        Mapping named = new();
        object? caller = new Undefined("No caller defined");
        foreach ((object? key, object? value) in arguments.Named.Items)
        {
            string name = ((MarkedText)key!).Value;
            if (name == "caller" && macro.UsesCaller)
            {
                caller = value;
            }
            else if (!macro.Parameters.Contains(name))
            {
                named.Set(key, value);
            }
        }
        if (extra.Count > 0 && !macro.UsesVarargs)
        {
            throw new TemplateException($"macro '{macro.Identifier}' takes not more than {macro.Parameters.Count} argument(s)");
        }
        if (named.Count > 0 && !macro.UsesKwargs)
        {
            throw new TemplateException($"macro '{macro.Identifier}' takes no keyword argument '{named.Items[0].Key}'");
        }
        if (macro.UsesVarargs)
        {
            scope.Set("varargs", new Sequence(extra, SequenceKind.Tuple));
        }
        if (macro.UsesKwargs)
        {
            scope.Set("kwargs", named);
        }
        if (macro.UsesCaller)
        {
            scope.Set("caller", caller);
        }
    }

    private object? Deeper(Func<object?> body)
    {
        _budget.Enter();
        object? result = body();
        _budget.Leave();
        return result;
    }

    private MarkedText Captured(IReadOnlyList<Statement> body, Scope scope) => Captured(() => Execute(body, scope));

    private MarkedText Captured(Action body)
    {
        MarkedTextBuilder outer = _output;
        _output = new MarkedTextBuilder();
        body();
        MarkedText text = _output.ToText();
        _output = outer;
        return text;
    }

    private void Write(MarkedText text)
    {
        _budget.Characters(text.Value.Length);
        _output.Append(text);
    }
}
