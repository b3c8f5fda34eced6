using System.Runtime.InteropServices;

namespace Portable.Tokenizers.Vocabularies;

/// <summary>
/// Ids of words met before: a word has one of two places, where the last of those that share them stay. Safe for several threads, as
/// entries are replaced whole.
/// </summary>
/// <typeparam name="T">What words are made of.</typeparam>
internal sealed class WordCache<T>
    where T : unmanaged, IEquatable<T>
{
    private const int Places = 1 << 16;
    private const int LongestWord = 48;

    private readonly Entry?[] _entries = new Entry?[Places];

    /// <summary>The ids of a word, or null.</summary>
    public int[]? Find(ReadOnlySpan<T> word)
    {
        if (word.Length > LongestWord)
        {
            return null;
        }

        int place = Place(word);
        return Find(place, word) ?? Find(place ^ 1, word);
    }

    /// <summary>Keeps the ids of a word.</summary>
    public void Keep(ReadOnlySpan<T> word, ReadOnlySpan<int> ids)
    {
        if (word.Length <= LongestWord)
        {
            // The word that was there moves over.
            int place = Place(word);
            Volatile.Write(ref _entries[place ^ 1], _entries[place]);
            Volatile.Write(ref _entries[place], new Entry(word.ToArray(), ids.ToArray()));
        }
    }

    private int[]? Find(int place, ReadOnlySpan<T> word) => Volatile.Read(ref _entries[place]) is { } entry && word.SequenceEqual(entry.Word) ? entry.Ids : null;

    private static int Place(ReadOnlySpan<T> word)
    {
        uint hash = 0;
        foreach (byte b in MemoryMarshal.AsBytes(word))
        {
            hash = (hash ^ b) * 0x9E3779B1;
            hash ^= hash >> 15;
        }

        return (int)(hash & (Places - 1));
    }

    private sealed record Entry(T[] Word, int[] Ids);
}
