namespace Portable.Chat.Templates;

/// <summary>Computes a template's expressions.</summary>
internal sealed class Evaluator
{
    private readonly RenderBudget _budget;
    private readonly Members _members;
    private readonly Filters _filters;
    private readonly Tests _tests;

    public Evaluator(RenderBudget budget)
    {
        _budget = budget;
        _members = new Members(budget);
        _filters = new Filters(budget, (name, value, arguments) => _tests!.Apply(name, value, arguments), _members.Item);
        _tests = new Tests(budget, _filters.Exists);
    }

    /// <summary>The value of an expression; <paramref name="block"/>: what a filter without a target filters.</summary>
    public object? Evaluate(Expression expression, Scope scope, object? block = null)
    {
        RenderBudget.EnsureStack();
        _budget.Step();
        switch (expression)
        {
            case Constant constant:
                return constant.Value;
            case Name name:
                return scope.TryGet(name.Identifier, out object? found) ? found : new Undefined($"'{name.Identifier}' is undefined");
            case Attribute attribute:
                return _members.Attribute(Evaluate(attribute.Target, scope), attribute.Identifier);
            case Subscript subscript:
                return _members.Item(Evaluate(subscript.Target, scope), Evaluate(subscript.Index, scope));
            case Slice slice:
                return Python.Slice(Evaluate(slice.Target, scope), Optional(slice.Start, scope), Optional(slice.Stop, scope), Optional(slice.Step, scope), _budget);
            case Call call:
                return Call(call, scope, null);
            case Filter filter:
                object? target = filter.Target is null ? block : Evaluate(filter.Target, scope, block);
                return _filters.Apply(filter.Identifier, target, Evaluate(filter.Arguments, filter.Identifier, scope));
            case Test test:
                return _tests.Apply(test.Identifier, Evaluate(test.Target, scope), Evaluate(test.Arguments, test.Identifier, scope)) != test.Negated;
            case Conditional conditional:
                return Python.IsTrue(Evaluate(conditional.Condition, scope)) ? Evaluate(conditional.WhenTrue, scope)
                    : conditional.WhenFalse is null ? new Undefined("the inline if-expression evaluated to false and no else section was defined.")
                    : Evaluate(conditional.WhenFalse, scope);
            case Unary { Operator: "not" } unary:
                return !Python.IsTrue(Evaluate(unary.Operand, scope));
            case Unary unary:
                return unary.Operator == "-" ? Python.Negate(Evaluate(unary.Operand, scope)) : Python.Plus(Evaluate(unary.Operand, scope));
            case Binary binary:
                return Operate(binary, scope);
            case Comparison comparison:
                return Compare(comparison, scope);
            case ListLiteral list:
                return new Sequence([.. list.Items.Select(i => Evaluate(i, scope))], list.IsTuple ? SequenceKind.Tuple : SequenceKind.List);
            default:
                Mapping mapping = new();
                foreach ((Expression key, Expression value) in ((MappingLiteral)expression).Items)
                {
                    mapping.Set(Evaluate(key, scope), Evaluate(value, scope));
                }
                return mapping;
        }
    }

    private object? Optional(Expression? expression, Scope scope) => expression is null ? null : Evaluate(expression, scope);

    private object? Operate(Binary binary, Scope scope)
    {
        object? left = Evaluate(binary.Left, scope);
        switch (binary.Operator)
        {
            case "and":
                return Python.IsTrue(left) ? Evaluate(binary.Right, scope) : left;
            case "or":
                return Python.IsTrue(left) ? left : Evaluate(binary.Right, scope);
        }
        object? right = Evaluate(binary.Right, scope);
        switch (binary.Operator)
        {
            case "~":
                MarkedText a = Printing.Text(left, _budget), b = Printing.Text(right, _budget);
                _budget.Characters(a.Value.Length + b.Value.Length);
                return a + b;
            case "+":
                return Python.Add(left, right, _budget);
            case "*":
                return Python.Multiply(left, right, _budget);
            case "%" when left is MarkedText format:
                return Formatting.Percent(format, right, _budget);
            default:
                return Python.Arithmetic(binary.Operator, left, right);
        }
    }

    private object? Compare(Comparison comparison, Scope scope)
    {
        object? left = Evaluate(comparison.First, scope);
        foreach ((string op, Expression operand) in comparison.Rest)
        {
            object? right = Evaluate(operand, scope);
            bool holds = op switch
            {
                "==" => Python.Equals(left, right),
                "!=" => !Python.Equals(left, right),
                "in" => Python.Contains(right, left, _budget),
                "not in" => !Python.Contains(right, left, _budget),
                "<" => Python.Compare(left, right, op) < 0,
                "<=" => Python.Compare(left, right, op) <= 0,
                ">" => Python.Compare(left, right, op) > 0,
                _ => Python.Compare(left, right, op) >= 0,
            };
            if (!holds)
            {
                return false;
            }
            left = right;
        }
        return true;
    }

    /// <summary>A call; <paramref name="caller"/>: what a call block passes as its body.</summary>
    public object? Call(Call call, Scope scope, Callable? caller)
    {
        object? target = Evaluate(call.Target, scope);
        Callable callable = target switch
        {
            Callable known => known,
            LoopState { Recursion: Callable recursion } => recursion,
            LoopState => throw new TemplateException("The loop must have the 'recursive' marker to be called recursively."),
            Undefined undefined => throw undefined.Error(),
            _ => throw new TemplateException($"'{Python.TypeName(target)}' object is not callable"),
        };
        Arguments arguments = Evaluate(call.Arguments, callable.Name, scope);
        if (caller is not null)
        {
            arguments.Named.Set((MarkedText)"caller", caller);
        }
        return callable.Invoke(arguments);
    }

    private Arguments Evaluate(CallArguments given, string callee, Scope scope)
    {
        List<object?> positional = [.. given.Positional.Select(p => Evaluate(p, scope))];
        if (given.Spread is not null)
        {
            positional.AddRange(Python.Walk(Evaluate(given.Spread, scope), _budget));
        }
        Mapping named = new();
        foreach ((string name, Expression value) in given.Named)
        {
            named.Set((MarkedText)name, Evaluate(value, scope));
        }
        if (given.SpreadNamed is not null)
        {
            Mapping spread = Evaluate(given.SpreadNamed, scope) as Mapping ?? throw new TemplateException($"{callee}: ** spreads a mapping");
            foreach ((object? key, object? value) in spread.Items)
            {
                named.Set(key as MarkedText ?? throw new TemplateException($"{callee}: ** spreads a mapping with names"), value);
            }
        }
        return new Arguments(callee, positional, named);
    }

    /// <summary>Gives a value to a name, an attribute of a namespace, or its items to several of those.</summary>
    public void Assign(Expression target, object? value, Scope scope)
    {
        switch (target)
        {
            case Name name:
                scope.Set(name.Identifier, value);
                break;
            case Attribute attribute:
                Namespace space = Evaluate(attribute.Target, scope) as Namespace ?? throw new TemplateException("cannot assign attribute on non-namespace object");
                space.Values.Set((MarkedText)attribute.Identifier, value);
                break;
            default:
                IReadOnlyList<Expression> parts = ((ListLiteral)target).Items;
                IReadOnlyList<object?> items = Python.Walk(value, _budget);
                if (items.Count != parts.Count)
                {
                    throw new TemplateException(items.Count > parts.Count ? $"too many values to unpack (expected {parts.Count})" : $"not enough values to unpack (expected {parts.Count}, got {items.Count})");
                }
                for (int i = 0; i < parts.Count; i++)
                {
                    Assign(parts[i], items[i], scope);
                }
                break;
        }
    }
}
