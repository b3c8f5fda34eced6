namespace Portable;

/// <summary>
/// The cache slots of a model that several threads share. A text takes a slot as long as it is under way; what needs the whole
/// model takes all. Whoever finds none is told so at once: waiting could be for oneself.
/// </summary>
internal sealed class CacheSlots
{
    private readonly Lock _lock = new();
    private readonly Stack<int> _free;
    private readonly int _count;

    public CacheSlots(int count) => (_count, _free) = (count, new Stack<int>(Enumerable.Range(0, count).Reverse()));

    /// <summary>Takes one slot.</summary>
    /// <exception cref="InvalidOperationException">All are taken.</exception>
    public Taken TakeOne()
    {
        lock (_lock)
        {
            return _free.TryPop(out int slot)
                ? new Taken(this, [slot])
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
            return new Taken(this, all);
        }
    }

    private void Return(int[] slots)
    {
        lock (_lock)
        {
            foreach (int slot in slots.OrderDescending())
            {
                _free.Push(slot);
            }
        }
    }

    /// <summary>Slots in use until disposed of.</summary>
    internal sealed class Taken(CacheSlots owner, int[] slots) : IDisposable
    {
        private int[]? _slots = slots;

        public int First { get; } = slots[0];

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _slots, null) is { } taken)
            {
                owner.Return(taken);
            }
        }
    }
}
