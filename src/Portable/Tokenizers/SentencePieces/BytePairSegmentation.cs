using System.Buffers;
using System.Runtime.InteropServices;
using System.Text;
using Portable.Tokenizers.Vocabularies;

namespace Portable.Tokenizers.SentencePieces;

/// <summary>
/// SentencePiece's byte-pair merging: two neighbors merge if their text is a piece, that of the highest score first, the
/// leftmost among equals. User-defined pieces take no part; unused ones come apart again.
/// </summary>
internal sealed class BytePairSegmentation : ISegmentation
{
    private readonly TokenTable _pieces;
    private readonly ByteTrie _userDefined;
    private readonly int[] _ranks;
    private readonly bool[] _unused;
    private readonly int _longest;
    private readonly WordCache<byte> _cache = new();

    // Characters that stand side by side in some piece; null where a text must be cut whole.
    private readonly PairTable? _joined;

    public BytePairSegmentation(SentencePieceModel model, TokenTable pieces, ByteTrie userDefined)
    {
        (_pieces, _userDefined) = (pieces, userDefined);
        _ranks = new int[model.Pieces.Count];
        _unused = new bool[model.Pieces.Count];
        Rank(model);
        PairTable joined = new();
        for (int id = 0; id < pieces.Size; id++)
        {
            _longest = Math.Max(_longest, pieces[id].Length);
            int last = -1;
            for (ReadOnlySpan<byte> rest = pieces[id]; !rest.IsEmpty;)
            {
                int current = First(ref rest);
                joined.Set(last, current, 0, 0);
                last = current;
            }
        }

        // How an unused piece comes apart depends on the whole text.
        _joined = Array.IndexOf(_unused, true) >= 0 ? null : joined;
    }

    // Equal scores have equal ranks, the highest 0. (Plain loops: the first token waits for this, and queries over pieces would be compiled for it.)
    private void Rank(SentencePieceModel model)
    {
        float[] scores = new float[_ranks.Length];
        int[] order = new int[_ranks.Length];
        for (int id = 0; id < scores.Length; id++)
        {
            (_, scores[id], PieceKind kind) = model.Pieces[id];
            (order[id], _unused[id]) = (id, kind == PieceKind.Unused);
        }

        Array.Sort(scores, order);
        for (int i = scores.Length - 1, rank = 0; i >= 0; i--)
        {
            rank += i + 1 < scores.Length && !scores[i].Equals(scores[i + 1]) ? 1 : 0;
            _ranks[order[i]] = rank;
        }
    }

    public void Cut(ReadOnlySpan<byte> text, List<int> lengths)
    {
        if (_joined is null)
        {
            CutWord(text, lengths);
            return;
        }

        // No piece reaches over a place between characters that stand side by side in none: a long text is many short words.
        int start = 0, last = -1;
        for (ReadOnlySpan<byte> rest = text; !rest.IsEmpty;)
        {
            int at = text.Length - rest.Length, current = First(ref rest);
            if (at > start && !_joined.Contains(last, current))
            {
                CutCached(text[start..at], lengths);
                start = at;
            }

            last = current;
        }

        CutCached(text[start..], lengths);
    }

    private void CutCached(ReadOnlySpan<byte> word, List<int> lengths)
    {
        if (_cache.Find(word) is { } known)
        {
            lengths.AddRange(known);
            return;
        }

        int before = lengths.Count;
        CutWord(word, lengths);
        _cache.Keep(word, CollectionsMarshal.AsSpan(lengths)[before..]);
    }

    private void CutWord(ReadOnlySpan<byte> word, List<int> lengths)
    {
        int[] starts = ArrayPool<int>.Shared.Rent(word.Length), symbols = ArrayPool<int>.Shared.Rent(word.Length), next = ArrayPool<int>.Shared.Rent(word.Length), ranks = ArrayPool<int>.Shared.Rent(word.Length);
        int count = 0;
        for (ReadOnlySpan<byte> rest = word; !rest.IsEmpty; count++)
        {
            starts[count] = word.Length - rest.Length;
            int frozen = _userDefined.LongestPrefix(rest);
            if (frozen > 0)
            {
                symbols[count] = -frozen;
                rest = rest[frozen..];
            }
            else
            {
                First(ref rest);
                symbols[count] = word.Length - rest.Length - starts[count];
            }
        }

        Dictionary<int, int>? apart = _joined is null ? [] : null;
        new SymbolMerger<Pieces>(new(this, word, starts, apart), symbols.AsSpan(0, count), next, ranks).Merge();
        for (int i = 0; i < count; i = next[i])
        {
            Resegment(word.Slice(starts[i], Math.Abs(symbols[i])), apart, lengths);
        }

        foreach (int[] rented in (int[][])[starts, symbols, next, ranks])
        {
            ArrayPool<int>.Shared.Return(rented);
        }
    }

    private void Resegment(ReadOnlySpan<byte> piece, Dictionary<int, int>? apart, List<int> lengths)
    {
        int id = apart is null ? -1 : _pieces.Find(piece);
        if (id < 0 || !_unused[id] || !apart!.TryGetValue(id, out int left))
        {
            lengths.Add(piece.Length);
            return;
        }

        Resegment(piece[..left], apart, lengths);
        Resegment(piece[left..], apart, lengths);
    }

    private static int First(ref ReadOnlySpan<byte> text)
    {
        Rune.DecodeFromUtf8(text, out Rune rune, out int length);
        text = text[length..];
        return rune.Value;
    }

    /// <summary>Symbols are lengths in bytes, negative for those that do not merge.</summary>
    private readonly ref struct Pieces(BytePairSegmentation owner, ReadOnlySpan<byte> word, int[] starts, Dictionary<int, int>? apart) : IPairs
    {
        private readonly ReadOnlySpan<byte> _word = word;

        public int Rank(ReadOnlySpan<int> symbols, int left, int right)
        {
            int length = symbols[left] + symbols[right];
            if (symbols[left] < 0 || symbols[right] < 0 || length > owner._longest)
            {
                return int.MaxValue;
            }

            int id = owner._pieces.Find(_word.Slice(starts[left], length));
            if (id < 0)
            {
                return int.MaxValue;
            }

            if (owner._unused[id])
            {
                apart![id] = symbols[left];
            }

            return owner._ranks[id];
        }

        public int Join(ReadOnlySpan<int> symbols, int left, int right) => symbols[left] + symbols[right];
    }
}
