using System.Buffers;
using System.Text;

namespace Portable.Tokenizers.Vocabularies;

/// <summary>Byte-pair encoding as the tokenizers package defines it: over ids, a merge's rank being its place in the list.</summary>
internal sealed class BytePairEncoder : IPieceEncoder
{
    private readonly PairTable _merges;
    private readonly BytePairOptions _options;
    private readonly int[] _bytes = new int[256];
    private readonly int _unknown;
    private readonly Dictionary<int, int> _characters = [];
    private readonly WordCache<char> _cache = new();

    // Characters that some merge joins; null where words cannot be cut in advance.
    private readonly PairTable? _joined;

    /// <param name="tokens">Tokens.</param>
    /// <param name="merges">Of a pair of ids: rank, and the id it becomes.</param>
    /// <param name="options">Options.</param>
    public BytePairEncoder(TokenTable tokens, PairTable merges, BytePairOptions options)
    {
        (Tokens, _merges, _options) = (tokens, merges, options);
        _unknown = options.UnknownToken is { } unknown ? tokens.Find(unknown) : -1;
        for (int id = 0; id < tokens.Size; id++)
        {
            if (Rune.DecodeFromUtf8(tokens[id], out Rune rune, out int length) == OperationStatus.Done && length == tokens[id].Length)
            {
                _characters[rune.Value] = id;
            }
        }

        for (int b = 0; b < 256; b++)
        {
            _bytes[b] = options.Bytes ? _characters.GetValueOrDefault(ByteAlphabet.Character((byte)b), -1) : tokens.Find($"<0x{b:X2}>");
        }

        _joined = options.Bytes ? null : Joined();
    }

    public TokenTable Tokens { get; }

    public void Encode(ReadOnlySpan<char> piece, List<int> ids, IReadOnlySet<int>? avoided)
    {
        if (_options.IgnoreMerges && avoided is not null && Whole(piece) is >= 0 and int whole && avoided.Contains(whole))
        {
            EncodeWord(piece, ids, mayBeWhole: false);
            return;
        }

        if (_joined is null || (_options.IgnoreMerges && Whole(piece) >= 0))
        {
            EncodeCached(piece, ids, mayBeWhole: true);
            return;
        }

        // No merge reaches over a place between two known characters that no merge joins: what lies between such places
        // is encoded on its own, so a long text is many short words.
        int start = 0, last = -1;
        for (int i = 0; i < piece.Length;)
        {
            Rune.DecodeFromUtf16(piece[i..], out Rune rune, out int length);
            int current = _characters.ContainsKey(rune.Value) ? rune.Value : -1;
            if (last >= 0 && current >= 0 && !_joined.Contains(last, current))
            {
                EncodeCached(piece[start..i], ids, mayBeWhole: false);
                start = i;
            }

            last = current;
            i += length;
        }

        EncodeCached(piece[start..], ids, mayBeWhole: false);
    }

    private void EncodeCached(ReadOnlySpan<char> word, List<int> ids, bool mayBeWhole)
    {
        if (_cache.Find(word) is { } known)
        {
            ids.AddRange(known);
            return;
        }

        int before = ids.Count;
        EncodeWord(word, ids, mayBeWhole);
        _cache.Keep(word, System.Runtime.InteropServices.CollectionsMarshal.AsSpan(ids)[before..]);
    }

    private void EncodeWord(ReadOnlySpan<char> word, List<int> ids, bool mayBeWhole)
    {
        if (mayBeWhole && _options.IgnoreMerges && Whole(word) is >= 0 and int whole)
        {
            ids.Add(whole);
            return;
        }

        // A character has at most three bytes for each UTF-16 unit, a byte's character in the alphabet two; an unknown one may wait.
        int[] symbols = ArrayPool<int>.Shared.Rent((word.Length * (_options.Bytes ? 6 : 3)) + 1), next = ArrayPool<int>.Shared.Rent(symbols.Length), ranks = ArrayPool<int>.Shared.Rent(symbols.Length);
        int count = _options.Bytes ? ByteSymbols(word, symbols) : CharacterSymbols(word, symbols);
        new SymbolMerger<Merges>(new(_merges), symbols.AsSpan(0, count), next, ranks).Merge();
        for (int i = 0; i < count; i = next[i])
        {
            ids.Add(symbols[i]);
        }

        ArrayPool<int>.Shared.Return(symbols);
        ArrayPool<int>.Shared.Return(next);
        ArrayPool<int>.Shared.Return(ranks);
    }

    private int ByteSymbols(ReadOnlySpan<char> word, Span<int> symbols)
    {
        byte[] bytes = ArrayPool<byte>.Shared.Rent(word.Length * 3);
        int length = Encoding.UTF8.GetBytes(word, bytes);
        SymbolWriter writer = new(symbols);
        for (int i = 0; i < length; i++)
        {
            if (_bytes[bytes[i]] >= 0)
            {
                writer.Add(_bytes[bytes[i]]);
            }
            else
            {
                AddUnknown(ref writer, ByteAlphabet.Character(bytes[i]).ToString());
            }
        }

        ArrayPool<byte>.Shared.Return(bytes);
        return writer.Finish();
    }

    private int CharacterSymbols(ReadOnlySpan<char> word, Span<int> symbols)
    {
        SymbolWriter writer = new(symbols);
        foreach (Rune rune in word.EnumerateRunes())
        {
            if (_characters.TryGetValue(rune.Value, out int id))
            {
                writer.Add(id);
            }
            else
            {
                AddUnknown(ref writer, rune.ToString());
            }
        }

        return writer.Finish();
    }

    private void AddUnknown(ref SymbolWriter writer, string character)
    {
        if (_options.ByteFallback)
        {
            int[] bytes = [.. Encoding.UTF8.GetBytes(character).Select(b => _options.Bytes ? Tokens.Find($"<0x{b:X2}>") : _bytes[b])];
            if (!bytes.Contains(-1))
            {
                // An unknown token that waits keeps waiting, behind these bytes: so the reference implementation has it.
                writer.AddPast(bytes);
                return;
            }
        }

        if (_options.UnknownToken is not null)
        {
            writer.AddUnknown(_unknown >= 0 ? _unknown : throw new InvalidOperationException($"The unknown token '{_options.UnknownToken}' is not in the vocabulary."), _options.FuseUnknown);
        }
    }

    private int Whole(ReadOnlySpan<char> piece) => Tokens.Find(Encoding.UTF8.GetBytes(_options.Bytes ? ByteAlphabet.Write(piece) : piece.ToString()));

    private PairTable? Joined()
    {
        PairTable joined = new();
        HashSet<int> bytes = _options.ByteFallback ? [.. _bytes] : [];
        foreach ((int left, int right, _, _) in _merges.Entries)
        {
            if (left == _unknown || right == _unknown || bytes.Contains(left) || bytes.Contains(right))
            {
                return null;
            }

            Rune.DecodeLastFromUtf8(Tokens[left], out Rune last, out _);
            Rune.DecodeFromUtf8(Tokens[right], out Rune first, out _);
            joined.Set(last.Value, first.Value, 0, 0);
        }

        return joined;
    }

    /// <summary>Merges by the table.</summary>
    private readonly struct Merges(PairTable merges) : IPairs
    {
        public int Rank(ReadOnlySpan<int> symbols, int left, int right) => merges.TryGet(symbols[left], symbols[right], out (int Rank, int) merge) ? merge.Rank : int.MaxValue;

        public int Join(ReadOnlySpan<int> symbols, int left, int right) => merges.TryGet(symbols[left], symbols[right], out (int, int Id) merge) ? merge.Id : throw new InvalidOperationException("The pair does not merge.");
    }

    /// <summary>Writes the symbols of a word; an unknown token waits until what is behind it is known.</summary>
    private ref struct SymbolWriter(Span<int> symbols)
    {
        private readonly Span<int> _symbols = symbols;
        private int _count, _waiting = -1;

        public void Add(int id)
        {
            Finish();
            _symbols[_count++] = id;
        }

        public void AddPast(ReadOnlySpan<int> ids)
        {
            ids.CopyTo(_symbols[_count..]);
            _count += ids.Length;
        }

        public void AddUnknown(int id, bool fuse)
        {
            if (!fuse)
            {
                Finish();
            }

            _waiting = id;
        }

        public int Finish()
        {
            if (_waiting >= 0)
            {
                _symbols[_count++] = _waiting;
                _waiting = -1;
            }

            return _count;
        }
    }
}
