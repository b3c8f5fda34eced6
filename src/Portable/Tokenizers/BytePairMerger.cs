namespace Portable.Tokenizers;

/// <summary>Byte-pair encoding of one piece of text: the pair of lowest rank merges first, the leftmost among equals.</summary>
/// <param name="vocabulary">Ids of tokens.</param>
/// <param name="ranks">Rank of each mergeable pair.</param>
internal sealed class BytePairMerger(IReadOnlyDictionary<string, int> vocabulary, IReadOnlyDictionary<(string Left, string Right), int> ranks)
{
    /// <summary>Merges symbols in place and appends their ids.</summary>
    /// <param name="symbols">The smallest symbols of the text.</param>
    /// <param name="ids">Receives ids.</param>
    /// <param name="unknown">Called with a symbol that the vocabulary lacks.</param>
    public void Merge(IReadOnlyList<string> symbols, List<int> ids, Action<string, List<int>> unknown)
    {
        // A doubly linked list over the symbols, and a queue of candidate merges; stale candidates are recognised by their text.
        string?[] text = [.. symbols];
        int[] next = new int[text.Length], previous = new int[text.Length];
        PriorityQueue<(int Left, string Merged), (int Rank, int Left)> queue = new();
        for (int i = 0; i < text.Length; i++)
        {
            (previous[i], next[i]) = (i - 1, i + 1 < text.Length ? i + 1 : -1);
        }

        void Offer(int left)
        {
            if (left >= 0 && next[left] >= 0 && ranks.TryGetValue((text[left]!, text[next[left]]!), out int rank))
            {
                queue.Enqueue((left, text[left] + text[next[left]]), (rank, left));
            }
        }

        for (int i = 0; i < text.Length; i++)
        {
            Offer(i);
        }

        while (queue.TryDequeue(out (int Left, string Merged) candidate, out _))
        {
            int left = candidate.Left, right = text[left] is null ? -1 : next[left];
            if (right < 0 || text[left] + text[right] != candidate.Merged)
            {
                continue;
            }

            text[left] = candidate.Merged;
            text[right] = null;
            next[left] = next[right];
            if (next[right] >= 0)
            {
                previous[next[right]] = left;
            }

            Offer(previous[left]);
            Offer(left);
        }

        foreach (string? symbol in text)
        {
            if (symbol is null)
            {
                continue;
            }

            if (vocabulary.TryGetValue(symbol, out int id))
            {
                ids.Add(id);
            }
            else
            {
                unknown(symbol, ids);
            }
        }
    }
}
