namespace Portable.Reference.Operations;

/// <summary>
/// Which page of a cache holds which chunk of positions of a sequence. A page is a chunk of 64 positions (<see cref="KeyValueCache.ChunkSize"/>)
/// of every head; one table serves the caches of all blocks. Sequences that begin alike may name the same pages.
/// </summary>
/// <remarks>Entries of a sequence change only between passes in which it takes part.</remarks>
internal sealed class PageTable
{
    private readonly int[] _pages;

    /// <param name="sequences">Sequences.</param>
    /// <param name="capacity">Positions of each.</param>
    /// <param name="pages">Pages that the caches have room for; at least those of one sequence.</param>
    public PageTable(int sequences, int capacity, int pages)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(sequences, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(capacity, 1);
        (Sequences, Chunks, Pages) = (sequences, ChunksOf(capacity), pages);
        ArgumentOutOfRangeException.ThrowIfLessThan(pages, Chunks);
        _pages = new int[checked(sequences * Chunks)];
        OwnPages();
    }

    /// <summary>Sequences.</summary>
    public int Sequences { get; }

    /// <summary>Chunks of a sequence.</summary>
    public int Chunks { get; }

    /// <summary>Pages in all.</summary>
    public int Pages { get; }

    /// <summary>The page of a chunk of a sequence.</summary>
    /// <exception cref="ArgumentOutOfRangeException">There is no such page.</exception>
    public int this[int sequence, int chunk]
    {
        get => _pages[(sequence * Chunks) + chunk];
        set
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)value, (uint)Pages);
            _pages[(sequence * Chunks) + chunk] = value;
        }
    }

    /// <summary>Chunks that positions take.</summary>
    public static int ChunksOf(int positions) => (positions + KeyValueCache.ChunkSize - 1) / KeyValueCache.ChunkSize;

    /// <summary>Pages of a sequence in the order of its positions.</summary>
    public ReadOnlySpan<int> Of(int sequence) => _pages.AsSpan(sequence * Chunks, Chunks);

    /// <summary>Gives each sequence pages of its own, one sequence after the other; those for which there are none get the first page, and are not to be used.</summary>
    public void OwnPages()
    {
        for (int i = 0; i < _pages.Length; i++)
        {
            _pages[i] = i / Chunks * Chunks + Chunks <= Pages ? i : 0;
        }
    }
}
