namespace Portable.Generation.Constraints;

/// <summary>
/// The states of a program as they are met, each a set of places in the program with the rules that called them. Bounded in states,
/// in places of a state and in depth: what goes beyond is an error. Not safe for use by several threads.
/// </summary>
internal sealed class ByteAutomaton
{
    /// <summary>No text goes on like this.</summary>
    public const int Dead = -1;

    private const int Unknown = -2, MostStates = 20_000, MostPlaces = 2_000, MostDepth = 64;
    private readonly ByteProgram _program;
    private readonly List<State> _states = [];
    private readonly Dictionary<string, int> _ids = [];
    private readonly List<(int Return, int Parent, int Depth)> _stacks = [(0, -1, 0)];
    private readonly Dictionary<(int, int), int> _stackIds = [];

    public ByteAutomaton(ByteProgram program)
    {
        _program = program;
        Start = Enter([(program.Start, 0)]);
    }

    private sealed record State((int Step, int Stack)[] Places, int[] Next, bool Accepts);

    /// <summary>The state before any byte.</summary>
    public int Start { get; }

    /// <summary>Whether the text may end.</summary>
    public bool Accepts(int state) => _states[state].Accepts;

    /// <summary>Whether the text must end.</summary>
    public bool Ends(int state) => _states[state].Places.All(p => _program[p.Step].Kind == ByteStep.Accept);

    /// <summary>The state behind a byte, or <see cref="Dead"/>.</summary>
    /// <exception cref="ConstraintException">There are too many.</exception>
    public int Next(int state, byte value)
    {
        int[] next = _states[state].Next;
        if (next[value] == Unknown)
        {
            List<(int, int)> places = [];
            foreach ((int step, int stack) in _states[state].Places)
            {
                (ByteStep kind, int to, _, byte low, byte high) = _program[step];
                if (kind == ByteStep.Range && value >= low && value <= high)
                {
                    places.Add((to, stack));
                }
            }

            next[value] = places.Count == 0 ? Dead : Enter(places);
        }

        return next[value];
    }

    private int Enter(List<(int Step, int Stack)> from)
    {
        HashSet<(int, int)> seen = [];
        List<(int Step, int Stack)> places = [];
        Stack<(int, int)> open = new(from);
        bool accepts = false;
        while (open.TryPop(out (int Step, int Stack) place))
        {
            if (!seen.Add(place))
            {
                continue;
            }

            if (seen.Count > MostPlaces)
            {
                throw new ConstraintException("The shape is too ambiguous.");
            }

            (ByteStep kind, int a, int b, _, _) = _program[place.Step];
            switch (kind)
            {
                case ByteStep.Split:
                    open.Push((b, place.Stack));
                    open.Push((a, place.Stack));
                    break;
                case ByteStep.Call:
                    if (_stacks[place.Stack].Depth < MostDepth)
                    {
                        open.Push((_program.RuleStart(a), Pushed(b, place.Stack)));
                    }

                    break;
                case ByteStep.Return:
                    open.Push((_stacks[place.Stack].Return, _stacks[place.Stack].Parent));
                    break;
                default:
                    accepts |= kind == ByteStep.Accept;
                    places.Add(place);
                    break;
            }
        }

        if (places.Count == 0)
        {
            return Dead;
        }

        places.Sort();
        string key = string.Join(' ', places);
        if (!_ids.TryGetValue(key, out int id))
        {
            if (_states.Count >= MostStates)
            {
                throw new ConstraintException("The shape has too many states.");
            }

            int[] next = new int[256];
            Array.Fill(next, Unknown);
            id = _states.Count;
            _states.Add(new State([.. places], next, accepts));
            _ids.Add(key, id);
        }

        return id;
    }

    private int Pushed(int back, int parent)
    {
        if (!_stackIds.TryGetValue((back, parent), out int id))
        {
            id = _stacks.Count;
            _stacks.Add((back, parent, _stacks[parent].Depth + 1));
            _stackIds.Add((back, parent), id);
        }

        return id;
    }
}
