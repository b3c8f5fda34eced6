using Portable.Tokenizers;

namespace Portable.Generation.Constraints;

/// <summary>The bytes of a vocabulary's tokens in ascending order, so that tokens that begin alike are neighbours. Special tokens, which are no text, are left out.</summary>
internal sealed class TokenSpellings
{
    private readonly (int Id, byte[] Bytes, int Common)[] _tokens;
    private readonly int _longest;

    public TokenSpellings(ITokenizer tokenizer, int vocabulary)
    {
        (int Id, byte[] Bytes)[] spelled = [.. Enumerable.Range(0, vocabulary).Where(id => !tokenizer.IsSpecial(id)).Select(id => (id, tokenizer.Bytes(id))).Where(t => t.Item2.Length > 0)];
        Array.Sort(spelled, (a, b) => a.Bytes.AsSpan().SequenceCompareTo(b.Bytes) is not 0 and int order ? order : a.Id.CompareTo(b.Id));
        _tokens = [.. spelled.Select((t, i) => (t.Id, t.Bytes, i == 0 ? 0 : t.Bytes.AsSpan().CommonPrefixLength(spelled[i - 1].Bytes)))];
        Spelled = spelled.ToDictionary(t => t.Id, t => t.Bytes);
        Words = (vocabulary + 63) / 64;
        _longest = spelled.Length == 0 ? 0 : spelled.Max(t => t.Bytes.Length);
    }

    /// <summary>Bytes by id.</summary>
    public IReadOnlyDictionary<int, byte[]> Spelled { get; }

    /// <summary>Words of 64 bits that a mask takes.</summary>
    public int Words { get; }

    /// <summary>Which tokens may come in a state: a bit per id.</summary>
    public ulong[] Allowed(ByteAutomaton automaton, int state)
    {
        ulong[] mask = new ulong[Words];
        int[] path = new int[_longest + 1];
        path[0] = state;
        // Bytes of the token before that lead somewhere.
        int alive = 0;
        foreach ((int id, byte[] bytes, int common) in _tokens)
        {
            if (common > alive)
            {
                continue;
            }

            int depth = common;
            while (depth < bytes.Length && automaton.Next(path[depth], bytes[depth]) is not ByteAutomaton.Dead and int next)
            {
                path[++depth] = next;
            }

            alive = depth;
            if (depth == bytes.Length)
            {
                mask[id >> 6] |= 1UL << (id & 63);
            }
        }

        return mask;
    }
}
