using System.Buffers;
using System.Text;
using Portable.Tokenizers.Unicode;

namespace Portable.Tokenizers.Pipeline;

/// <summary>Finds added tokens in texts: the leftmost, and of those that begin there the longest.</summary>
internal sealed class AddedTokenMatcher
{
    private readonly Dictionary<(int Node, char Next), int> _trie = [];
    private readonly List<AddedToken?> _ends = [null];
    private readonly SearchValues<char> _first;

    /// <param name="tokens">Tokens with the text that is looked for; of two with the same text the first counts.</param>
    public AddedTokenMatcher(IEnumerable<(string Text, AddedToken Token)> tokens)
    {
        HashSet<char> first = [];
        foreach ((string text, AddedToken token) in tokens.Where(t => t.Text.Length > 0))
        {
            int node = 0;
            foreach (char c in text)
            {
                if (!_trie.TryGetValue((node, c), out int next))
                {
                    next = _ends.Count;
                    _ends.Add(null);
                    _trie.Add((node, c), next);
                }

                node = next;
            }

            first.Add(text[0]);
            _ends[node] ??= token;
        }

        _first = SearchValues.Create([.. first]);
    }

    /// <summary>Splits a piece of text at the tokens in it.</summary>
    /// <param name="piece">The piece.</param>
    /// <param name="isPlain">Whether a special token must not be taken from these characters (indices in the piece's text).</param>
    /// <param name="output">Receives pieces, none of them empty.</param>
    public void Split(Piece piece, Func<int, int, bool>? isPlain, List<Piece> output)
    {
        string text = piece.Text;
        int end = piece.Start;
        for (int at = piece.Start; Next(text, at, piece.End) is { } match; at = match.End)
        {
            (int start, int stop, AddedToken token) = match;
            if ((token.Special && isPlain?.Invoke(start, stop) == true) || (token.SingleWord && !IsSingleWord(text, piece, start, stop)))
            {
                continue;
            }

            if (token.LeftStrip)
            {
                for (; start > end && char.IsWhiteSpace(text[start - 1]); start--)
                {
                }

                // Not what the token in front has taken; of a token that was taken whole nothing is left.
                start = Math.Max(start, end);
            }

            for (; token.RightStrip && stop < piece.End && char.IsWhiteSpace(text[stop]); stop++)
            {
            }

            if (end < start)
            {
                output.Add(piece.Slice(end, start));
            }

            if (start < stop)
            {
                output.Add(piece.Slice(start, stop) with { Token = token.Id });
            }

            end = stop;
        }

        if (end < piece.End)
        {
            output.Add(piece.Slice(end, piece.End));
        }
    }

    private (int Start, int End, AddedToken Token)? Next(string text, int at, int end)
    {
        while (at < end)
        {
            int skip = text.AsSpan(at, end - at).IndexOfAny(_first);
            if (skip < 0)
            {
                return null;
            }

            at += skip;
            AddedToken? longest = null;
            int stop = at;
            for (int i = at, node = 0; i < end && _trie.TryGetValue((node, text[i]), out node); i++)
            {
                if (_ends[node] is { } token)
                {
                    (longest, stop) = (token, i + 1);
                }
            }

            if (longest is not null)
            {
                return (at, stop, longest);
            }

            at++;
        }

        return null;
    }

    private static bool IsSingleWord(string text, Piece piece, int start, int stop) =>
        (start == piece.Start || Rune.DecodeLastFromUtf16(text.AsSpan(piece.Start, start - piece.Start), out Rune before, out _) != OperationStatus.Done || !UnicodeProperties.Word.Contains(before.Value))
        && (stop == piece.End || Rune.DecodeFromUtf16(text.AsSpan(stop, piece.End - stop), out Rune after, out _) != OperationStatus.Done || !UnicodeProperties.Word.Contains(after.Value));
}
