using System.Text;

namespace Portable.Tokenizers.Vocabularies;

/// <summary>The likeliest cut of a piece into tokens (Viterbi), as the tokenizers package does it: scores in double precision.</summary>
internal sealed class UnigramEncoder : IPieceEncoder
{
    private const double UnknownPenalty = 10;

    private readonly ByteTrie _trie = new();
    private readonly double[] _scores;
    private readonly double _unknownScore;
    private readonly int _unknown;
    private readonly bool _byteFallback;

    /// <param name="tokens">Tokens; ids are places in <paramref name="scores"/>.</param>
    /// <param name="scores">Log probability of each id.</param>
    /// <param name="unknown">The unknown token, or −1.</param>
    /// <param name="byteFallback">What is unknown becomes its bytes where all of them are tokens.</param>
    public UnigramEncoder(TokenTable tokens, double[] scores, int unknown, bool byteFallback)
    {
        (Tokens, _scores, _unknown, _byteFallback) = (tokens, scores, unknown, byteFallback);
        _unknownScore = (scores.Length > 0 ? scores.Min() : 0) - UnknownPenalty;
        for (int id = 0; id < tokens.Size; id++)
        {
            if (tokens.Contains(id))
            {
                _trie.Add(tokens[id], id);
            }
        }
    }

    public TokenTable Tokens { get; }

    public void Encode(ReadOnlySpan<char> piece, List<int> ids, IReadOnlySet<int>? avoided)
    {
        byte[] text = new byte[Encoding.UTF8.GetMaxByteCount(piece.Length)];
        text = text[..Encoding.UTF8.GetBytes(piece, text)];
        (int Start, int Id)[] best = Cut(text, avoided);
        List<(int Start, int End, int Id)> parts = [];
        for (int end = text.Length; end > 0; end = best[end].Start)
        {
            // Unknown characters side by side are one unknown token.
            if (best[end].Id == _unknown && parts.Count > 0 && parts[^1].Id == _unknown)
            {
                parts[^1] = (best[end].Start, parts[^1].End, _unknown);
            }
            else
            {
                parts.Add((best[end].Start, end, best[end].Id));
            }
        }

        for (int i = parts.Count - 1; i >= 0; i--)
        {
            (int start, int end, int id) = parts[i];
            // A known run that spells a token is that token: the package looks the text of a part up again.
            int whole = id == _unknown ? Tokens.Find(text.AsSpan(start, end - start)) : id;
            if (whole >= 0)
            {
                ids.Add(whole);
            }
            else if (!_byteFallback || !AddBytes(text.AsSpan(start, end - start), ids))
            {
                ids.Add(_unknown);
            }
        }
    }

    private bool AddBytes(ReadOnlySpan<byte> text, List<int> ids)
    {
        int before = ids.Count;
        foreach (byte b in text)
        {
            int id = Tokens.Find($"<0x{b:X2}>");
            if (id < 0)
            {
                ids.RemoveRange(before, ids.Count - before);
                return false;
            }

            ids.Add(id);
        }

        return true;
    }

    private (int Start, int Id)[] Cut(ReadOnlySpan<byte> text, IReadOnlySet<int>? avoided)
    {
        (int Start, int Id)[] best = new (int, int)[text.Length + 1];
        double[] scores = new double[text.Length + 1];
        bool[] reached = new bool[text.Length + 1];
        void Offer(int start, int end, int id, double score)
        {
            score += scores[start];
            if (!reached[end] || score > scores[end])
            {
                (best[end], scores[end], reached[end]) = ((start, id), score, true);
            }
        }

        for (int start = 0, length; start < text.Length; start += length)
        {
            Rune.DecodeFromUtf8(text[start..], out _, out length);
            bool single = false;
            int node = ByteTrie.Root;
            for (int end = start; end < text.Length && (node = _trie.Next(node, text[end])) >= 0; end++)
            {
                int id = _trie.Value(node);
                if (id >= 0 && avoided?.Contains(id) != true)
                {
                    Offer(start, end + 1, id, _scores[id]);
                    single |= end + 1 == start + length;
                }
            }

            if (!single)
            {
                Offer(start, start + length, _unknown >= 0 ? _unknown : throw new InvalidOperationException("A character is not in the vocabulary, which has no unknown token."), _unknownScore);
            }
        }

        return best;
    }
}
