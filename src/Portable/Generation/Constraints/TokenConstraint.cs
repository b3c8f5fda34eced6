namespace Portable.Generation.Constraints;

/// <summary>The shape of one answer, and how far the answer has come in it. Masks are made while the device runs its step.</summary>
internal sealed class TokenConstraint
{
    private const int MostMasks = 256;
    private readonly TokenSpellings _spellings;
    private readonly ByteAutomaton _automaton;
    private readonly Dictionary<int, ulong[]> _masks = [];
    private int _state;
    private Task<ulong[]> _mask;

    public TokenConstraint(ByteProgram program, TokenSpellings spellings)
    {
        (_automaton, _spellings) = (new ByteAutomaton(program), spellings);
        _state = _automaton.Start != ByteAutomaton.Dead ? _automaton.Start : throw new ConstraintException("No text has this shape.");
        _mask = Task.Run(Mask);
    }

    /// <summary>Whether the answer is whole and cannot go on.</summary>
    public bool Finished => _automaton.Ends(_state);

    /// <summary>Gives logits in which only tokens that the shape allows are possible.</summary>
    /// <param name="logits">One per token; replaced where a token is not allowed.</param>
    /// <param name="ends">Tokens that end the text: allowed where it may end.</param>
    /// <exception cref="ConstraintException">No token goes on.</exception>
    public void Apply(Span<float> logits, IEnumerable<int> ends)
    {
        ulong[] mask = _mask.GetAwaiter().GetResult();
        bool any = false;
        Dictionary<int, float> kept = [];
        if (_automaton.Accepts(_state))
        {
            foreach (int end in ends)
            {
                if ((uint)end < (uint)logits.Length)
                {
                    kept[end] = logits[end];
                }
            }
        }

        for (int i = 0; i < logits.Length; i++)
        {
            if ((mask[i >> 6] >> (i & 63) & 1) != 0)
            {
                any = true;
            }
            else
            {
                logits[i] = float.NegativeInfinity;
            }
        }

        foreach ((int end, float logit) in kept)
        {
            logits[end] = logit;
        }

        if (!any && kept.Count == 0)
        {
            throw new ConstraintException("No token of the vocabulary goes on in the shape that was asked for.");
        }
    }

    /// <summary>Takes the token that came.</summary>
    public void Advance(int token)
    {
        foreach (byte value in _spellings.Spelled[token])
        {
            _state = _automaton.Next(_state, value);
        }

        _mask = _automaton.Ends(_state) ? Task.FromResult(new ulong[_spellings.Words]) : Task.Run(Mask);
    }

    private ulong[] Mask()
    {
        if (!_masks.TryGetValue(_state, out ulong[]? mask))
        {
            if (_masks.Count >= MostMasks)
            {
                _masks.Clear();
            }

            _masks.Add(_state, mask = _spellings.Allowed(_automaton, _state));
        }

        return mask;
    }
}
