using Portable.Tokenizers.Unicode;

namespace Portable.Tokenizers.Patterns;

/// <summary>What an instruction does.</summary>
internal enum PatternOperation
{
    /// <summary>One character of set <c>First</c>.</summary>
    Character,

    /// <summary>On at <c>First</c>, else at <c>Second</c>.</summary>
    Either,

    /// <summary>On at <c>First</c>.</summary>
    Jump,

    /// <summary>On where boundary <c>First</c> holds.</summary>
    Boundary,

    /// <summary>On where look <c>First</c> has the answer <c>Second</c> (0 or 1).</summary>
    Look,

    /// <summary>A match ends here.</summary>
    Match,
}

/// <summary>An instruction.</summary>
internal readonly record struct PatternInstruction(PatternOperation Operation, int First = 0, int Second = 0);

/// <summary>What the programs of one pattern share: its sets, boundaries and looks, by number.</summary>
internal sealed class PatternParts
{
    public List<CodePointSet> Sets { get; } = [];

    public List<PatternNode.Boundary> Boundaries { get; } = [];

    /// <summary>Inner looks before those around them.</summary>
    public List<PatternNode.Look> Looks { get; } = [];

    public int SetIndex(CodePointSet set)
    {
        int known = Sets.FindIndex(s => s.Bounds.SequenceEqual(set.Bounds));
        if (known < 0)
        {
            Sets.Add(set);
            known = Sets.Count - 1;
        }

        return known;
    }
}

/// <summary>A pattern as instructions, for reading a text forwards or backwards (Thompson's construction, choices in order).</summary>
internal sealed class PatternProgram
{
    // The instruction numbers of a state are kept as characters.
    private const int MostInstructions = 20_000;

    private readonly List<PatternInstruction> _instructions = [];
    private readonly PatternParts _parts;
    private readonly bool _backward;

    private PatternProgram(PatternParts parts, bool backward) => (_parts, _backward) = (parts, backward);

    /// <summary>Whether the text is read from its end.</summary>
    public bool Backward => _backward;

    public IReadOnlyList<PatternInstruction> Instructions => _instructions;

    public static PatternProgram Compile(PatternNode node, PatternParts parts, bool backward)
    {
        PatternProgram program = new(parts, backward);
        program.Emit(node);
        program.Add(new(PatternOperation.Match));
        return program;
    }

    private int Add(PatternInstruction instruction)
    {
        _instructions.Add(instruction);
        return _instructions.Count <= MostInstructions ? _instructions.Count - 1 : throw new FormatException("the pattern is too long");
    }

    private void Emit(PatternNode node)
    {
        switch (node)
        {
            case PatternNode.Characters(var set):
                Add(new(PatternOperation.Character, _parts.SetIndex(set)));
                break;
            case PatternNode.Sequence(var parts):
                foreach (PatternNode part in _backward ? parts.Reverse() : parts)
                {
                    Emit(part);
                }

                break;
            case PatternNode.Choice(var choices):
                List<int> ends = [];
                for (int i = 0; i < choices.Count; i++)
                {
                    int either = i + 1 < choices.Count ? Add(default) : -1;
                    Emit(choices[i]);
                    if (either >= 0)
                    {
                        ends.Add(Add(default));
                        _instructions[either] = new(PatternOperation.Either, either + 1, _instructions.Count);
                    }
                }

                ends.ForEach(end => _instructions[end] = new(PatternOperation.Jump, _instructions.Count));
                break;
            case PatternNode.Repeat repeat:
                EmitRepeat(repeat);
                break;
            case PatternNode.Boundary boundary:
                foreach ((Neighbor left, Neighbor right) in boundary.Pairs)
                {
                    _parts.SetIndex(left.Set);
                    _parts.SetIndex(right.Set);
                }

                _parts.Boundaries.Add(boundary);
                Add(new(PatternOperation.Boundary, _parts.Boundaries.Count - 1));
                break;
            case PatternNode.Look look:
                int index = _parts.Looks.IndexOf(look);
                if (index < 0)
                {
                    // Compiled once for its inner looks, which then have the lower numbers.
                    Compile(look.Part, _parts, look.Ahead);
                    _parts.Looks.Add(look);
                    index = _parts.Looks.Count - 1;
                }

                Add(new(PatternOperation.Look, index, look.Negative ? 0 : 1));
                break;
        }
    }

    private void EmitRepeat(PatternNode.Repeat repeat)
    {
        for (int i = 0; i < repeat.Least; i++)
        {
            Emit(repeat.Part);
        }

        PatternInstruction Choose(int into, int past) => repeat.Greedy ? new(PatternOperation.Either, into, past) : new(PatternOperation.Either, past, into);
        if (repeat.Most == PatternNode.Repeat.Unbounded)
        {
            int loop = Add(default);
            Emit(repeat.Part);
            Add(new(PatternOperation.Jump, loop));
            _instructions[loop] = Choose(loop + 1, _instructions.Count);
            return;
        }

        List<int> choices = [];
        for (int i = repeat.Least; i < repeat.Most; i++)
        {
            choices.Add(Add(default));
            Emit(repeat.Part);
        }

        choices.ForEach(choice => _instructions[choice] = Choose(choice + 1, _instructions.Count));
    }
}
