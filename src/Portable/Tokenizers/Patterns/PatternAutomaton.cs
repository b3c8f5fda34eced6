namespace Portable.Tokenizers.Patterns;

/// <summary>
/// Runs a program in one pass over a text: a state is the ordered list of places in the program that are still possible, and
/// states are made when first met (a lazy deterministic automaton that keeps the order of choices, as RE2 and others do).
/// A match that ends at a place shows one symbol later, when what stands behind the place is known: so boundaries cost nothing.
/// </summary>
internal sealed class PatternAutomaton
{
    private const int MostStates = 10_000;

    private readonly IReadOnlyList<PatternInstruction> _program;
    private readonly SymbolTable _symbols;
    private readonly bool _anywhere, _backward, _remembers;
    private readonly bool[][] _boundaries;
    private readonly int _looks;
    private readonly Lock _lock = new();
    private readonly State?[] _starts;
    private Dictionary<string, State> _states = [];

    /// <param name="program">The program.</param>
    /// <param name="parts">Its sets, boundaries and looks.</param>
    /// <param name="symbols">The symbols of those sets.</param>
    /// <param name="anywhere">Begin a match at every place, and report every place where one ends; else only the one that begins
    /// where the run does, and of its ends the one that the order of choices prefers.</param>
    public PatternAutomaton(PatternProgram program, PatternParts parts, SymbolTable symbols, bool anywhere)
    {
        (_program, _symbols, _anywhere, _backward, _looks) = (program.Instructions, symbols, anywhere, program.Backward, parts.Looks.Count);
        int size = symbols.Edge + 1;
        _boundaries = [.. parts.Boundaries.Select(b =>
        {
            bool[] holds = new bool[size * size];
            for (int i = 0; i < holds.Length; i++)
            {
                holds[i] = b.Pairs.Any(p => symbols.Contains(p.Left, i / size) && symbols.Contains(p.Right, i % size));
            }

            return holds;
        })];
        _remembers = _program.Where(i => i.Operation == PatternOperation.Boundary).Any(i => parts.Boundaries[i.First].Pairs.Any(p => !IsAnything(_backward ? p.Right : p.Left)));
        _starts = new State?[size];
    }

    /// <summary>A list of possible places, and where symbols lead from it.</summary>
    internal sealed class State(char[] places, int previous, int transitions)
    {
        public char[] Places { get; } = places;

        public int Previous { get; } = previous;

        public Transition?[] Transitions { get; } = new Transition?[transitions];
    }

    /// <summary>Where a symbol leads.</summary>
    /// <param name="Match">A match ends in front of the symbol.</param>
    /// <param name="Next">The state behind it; null where nothing more can match.</param>
    internal sealed record Transition(bool Match, State? Next);

    /// <summary>The state at a place whose neighbor on the side that is read first is <paramref name="previous"/>.</summary>
    public State Start(int previous)
    {
        previous = _remembers ? previous : _symbols.Edge;
        return Volatile.Read(ref _starts[previous]) ?? MakeStart(previous);
    }

    /// <summary>The transition over a symbol at a place where the looks have these answers (a bit each).</summary>
    public Transition Next(State state, int symbol, int looks)
    {
        int index = (looks * (_symbols.Edge + 1)) + symbol;
        return Volatile.Read(ref state.Transitions[index]) ?? Make(state, symbol, looks, index);
    }

    private State MakeStart(int previous)
    {
        lock (_lock)
        {
            return _starts[previous] ??= Find([(char)0], previous);
        }
    }

    private Transition Make(State state, int symbol, int looks, int index)
    {
        lock (_lock)
        {
            List<int> places = [];
            bool match = Follow(state, symbol, looks, places);
            State? next = null;
            if (symbol != _symbols.Edge)
            {
                List<char> reached = [];
                foreach (int place in places)
                {
                    if (_symbols.Contains(_program[place].First, symbol) && !reached.Contains((char)(place + 1)))
                    {
                        reached.Add((char)(place + 1));
                    }
                }

                if (_anywhere && !reached.Contains((char)0))
                {
                    reached.Add((char)0);
                }

                next = reached.Count > 0 ? Find([.. reached], _remembers ? symbol : _symbols.Edge) : null;
            }

            Transition transition = new(match, next);
            Volatile.Write(ref state.Transitions[index], transition);
            return transition;
        }
    }

    /// <summary>The characters that may come next, in order of preference, and whether a match ends here.</summary>
    private bool Follow(State state, int symbol, int looks, List<int> places)
    {
        bool[] visited = new bool[_program.Count];
        Stack<int> pending = [];
        bool match = false;
        foreach (char place in state.Places.Reverse())
        {
            pending.Push(place);
        }

        int size = _symbols.Edge + 1;
        int beside = _backward ? (symbol * size) + state.Previous : (state.Previous * size) + symbol;
        while (pending.TryPop(out int place))
        {
            if (visited[place])
            {
                continue;
            }

            visited[place] = true;
            PatternInstruction instruction = _program[place];
            switch (instruction.Operation)
            {
                case PatternOperation.Character:
                    places.Add(place);
                    break;
                case PatternOperation.Either:
                    pending.Push(instruction.Second);
                    pending.Push(instruction.First);
                    break;
                case PatternOperation.Jump:
                    pending.Push(instruction.First);
                    break;
                case PatternOperation.Boundary when _boundaries[instruction.First][beside]:
                case PatternOperation.Look when ((looks >> instruction.First) & 1) == instruction.Second:
                    pending.Push(place + 1);
                    break;
                case PatternOperation.Match:
                    match = true;
                    if (!_anywhere)
                    {
                        // What would come next is less preferred than this match.
                        return true;
                    }

                    break;
            }
        }

        return match;
    }

    private State Find(char[] places, int previous)
    {
        string key = new([.. places, (char)previous]);
        if (!_states.TryGetValue(key, out State? state))
        {
            // States that are in use go on; the others are made again when met.
            _states = _states.Count < MostStates ? _states : [];
            _states.Add(key, state = new State(places, previous, (_symbols.Edge + 1) << _looks));
        }

        return state;
    }

    private static bool IsAnything(Neighbor neighbor) => neighbor.Edge && neighbor.Set.Complement().IsEmpty;
}
