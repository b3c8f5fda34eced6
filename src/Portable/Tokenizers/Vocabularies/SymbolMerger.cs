namespace Portable.Tokenizers.Vocabularies;

/// <summary>
/// Byte-pair merging of one word: of all neighboring pairs that may merge, the one of lowest rank merges first, the leftmost
/// among equals; near-linear in the word.
/// </summary>
/// <typeparam name="TPairs">Knows which pairs merge.</typeparam>
internal ref struct SymbolMerger<TPairs>(TPairs pairs, Span<int> symbols, Span<int> next, Span<int> ranks)
    where TPairs : IPairs, allows ref struct
{
    // Below this, looking through all pairs for the lowest is faster than a queue.
    private const int FewSymbols = 24;

    private const int None = int.MaxValue;

    private readonly Span<int> _symbols = symbols, _next = next, _ranks = ranks;
    private TPairs _pairs = pairs;

    /// <summary>
    /// Merges. Afterwards symbol 0 is the first, <c>next</c> leads from each to the one behind it, and past the end from the last.
    /// </summary>
    public void Merge()
    {
        for (int i = 0; i < _symbols.Length; i++)
        {
            _next[i] = i + 1;
        }

        for (int i = 0; i < _symbols.Length; i++)
        {
            Rank(i);
        }

        if (_symbols.Length <= FewSymbols)
        {
            MergeFew();
        }
        else
        {
            MergeMany();
        }
    }

    private void Rank(int left) => _ranks[left] = _next[left] < _symbols.Length ? _pairs.Rank(_symbols, left, _next[left]) : None;

    /// <summary>Joins a symbol with the one behind it.</summary>
    private void Join(int left)
    {
        int right = _next[left];
        _symbols[left] = _pairs.Join(_symbols, left, right);
        _next[left] = _next[right];
        _ranks[right] = None;
    }

    private void MergeFew()
    {
        while (true)
        {
            int lowest = None, at = -1, before = -1;
            for (int i = 0, previous = -1; i < _symbols.Length; previous = i, i = _next[i])
            {
                if (_ranks[i] < lowest)
                {
                    (lowest, at, before) = (_ranks[i], i, previous);
                }
            }

            if (at < 0)
            {
                return;
            }

            Join(at);
            Rank(at);
            if (before >= 0)
            {
                Rank(before);
            }
        }
    }

    private void MergeMany()
    {
        int[] previous = new int[_symbols.Length + 1];
        PriorityQueue<int, long> queue = new(_symbols.Length);
        for (int i = 0; i < _symbols.Length; i++)
        {
            previous[i] = i - 1;
            Offer(queue, i);
        }

        previous[^1] = _symbols.Length - 1;
        while (queue.TryDequeue(out int at, out long priority))
        {
            // A pair whose neighbors changed since it was offered has another rank now, or is no pair any more.
            if (_ranks[at] == None || Priority(_ranks[at], at) != priority)
            {
                continue;
            }

            Join(at);
            previous[_next[at]] = at;
            Rank(at);
            Offer(queue, at);
            if (previous[at] >= 0)
            {
                Rank(previous[at]);
                Offer(queue, previous[at]);
            }
        }
    }

    private readonly void Offer(PriorityQueue<int, long> queue, int at)
    {
        if (_ranks[at] != None)
        {
            queue.Enqueue(at, Priority(_ranks[at], at));
        }
    }

    private static long Priority(int rank, int at) => ((long)rank << 32) | (uint)at;
}

/// <summary>Which symbols merge, and into what.</summary>
internal interface IPairs
{
    /// <summary>The rank of a pair of neighboring symbols; <see cref="int.MaxValue"/> where they do not merge.</summary>
    int Rank(ReadOnlySpan<int> symbols, int left, int right);

    /// <summary>The symbol that a pair that merges becomes.</summary>
    int Join(ReadOnlySpan<int> symbols, int left, int right);
}
