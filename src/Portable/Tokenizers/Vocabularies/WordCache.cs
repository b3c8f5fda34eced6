using System.Runtime.InteropServices;

namespace Portable.Tokenizers.Vocabularies;

/// <summary>
/// Ids of words met before: a word has one place, where the last of those that share it stays. Safe for several threads, as
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
    public int[]? Find(ReadOnlySpan<T> word) =>
        word.Length <= LongestWord && Volatile.Read(ref _entries[Place(word)]) is { } entry && word.SequenceEqual(entry.Word) ? entry.Ids : null;

    /// <summary>Keeps the ids of a word.</summary>
    public void Keep(ReadOnlySpan<T> word, ReadOnlySpan<int> ids)
    {
        if (word.Length <= LongestWord)
        {
            Volatile.Write(ref _entries[Place(word)], new Entry(word.ToArray(), ids.ToArray()));
        }
    }

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
