using System.Runtime.InteropServices;

namespace Portable;

/// <summary>
/// The cache slots of a model that several threads share. A text takes a slot as long as it is under way; what needs the whole
/// model takes all. Whoever finds none is told so at once: waiting could be for oneself.
/// </summary>
internal sealed class CacheSlots
{
    private readonly Lock _lock = new();
    private readonly List<int> _free;
    private readonly List<int>[] _held;
    private readonly int _count;

    public CacheSlots(int count) => (_count, _free, _held) = (count, [.. Enumerable.Range(0, count)], [.. Enumerable.Range(0, count).Select(_ => new List<int>())]);

    /// <summary>Takes the free slot that holds most of a text already.</summary>
    /// <param name="prompt">The text's token ids.</param>
    /// <exception cref="InvalidOperationException">All are taken.</exception>
    public Taken TakeOne(ReadOnlySpan<int> prompt)
    {
        lock (_lock)
        {
            int best = -1, length = -1;
            foreach (int slot in _free)
            {
                int common = CollectionsMarshal.AsSpan(_held[slot]).CommonPrefixLength(prompt);
                (best, length) = common > length ? (slot, common) : (best, length);
            }

            return _free.Remove(best)
                ? new Taken(this, [best])
                : throw new InvalidOperationException($"The model is busy with {(_count == 1 ? "another text" : $"{_count} other texts")}: finish or dispose of it, or open the model with more {nameof(LanguageModelOptions.Sequences)}.");
        }
    }

    /// <summary>Takes all slots.</summary>
    /// <exception cref="InvalidOperationException">One is taken.</exception>
    public Taken TakeAll()
    {
        lock (_lock)
        {
            if (_free.Count < _count)
            {
                throw new InvalidOperationException("The model is busy with another text, and this needs it alone: finish or dispose of that first.");
            }

            int[] all = [.. _free];
            _free.Clear();
            foreach (List<int> held in _held)
            {
                held.Clear();
            }

            return new Taken(this, all);
        }
    }

    private void Return(int[] slots)
    {
        lock (_lock)
        {
            _free.AddRange(slots);
            _free.Sort();
        }
    }

    /// <summary>Slots in use until disposed of.</summary>
    internal sealed class Taken(CacheSlots owner, int[] slots) : IDisposable
    {
        private int[]? _slots = slots;

        public int First { get; } = slots[0];

        /// <summary>Token ids whose keys and values the first slot holds, position by position; kept by whoever feeds the slot.</summary>
        public List<int> Held => owner._held[First];

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _slots, null) is { } taken)
            {
                owner.Return(taken);
            }
        }
    }
}
