using System.Runtime.InteropServices;

namespace Portable.Inference;

/// <summary>
/// A cache in which each sequence has its own part: a model that is opened for one text, and models whose blocks see no more than a
/// window and give up what lies behind. A text takes the sequence that holds most of its beginning.
/// </summary>
/// <param name="count">Sequences.</param>
/// <param name="context">Positions of each.</param>
/// <param name="forgets">Whether a sequence can only go on where it ends: positions behind a window are given up.</param>
internal sealed class CacheSlots(int count, int context, bool forgets) : SequenceCache
{
    private readonly Lock _lock = new();
    private readonly Slot[] _slots = [.. Enumerable.Range(0, count).Select(i => new Slot(i))];
    private long _clock;

    /// <inheritdoc/>
    public override int Count => _slots.Length;

    /// <inheritdoc/>
    public override int Free
    {
        get
        {
            lock (_lock)
            {
                return _slots.Count(s => !s.Taken);
            }
        }
    }

    /// <inheritdoc/>
    public override long Positions => (long)_slots.Length * context;

    /// <inheritdoc/>
    public override long HeldPositions
    {
        get
        {
            lock (_lock)
            {
                return _slots.Sum(s => (long)s.Held.Count);
            }
        }
    }

    /// <inheritdoc/>
    public override TakenSequence? TryTake(ReadOnlySpan<int> text, int most, string owner)
    {
        lock (_lock)
        {
            Slot? best = null;
            int common = 0;
            foreach (Slot slot in _slots)
            {
                if (slot.Taken)
                {
                    continue;
                }

                int own = slot.Owner == owner ? CollectionsMarshal.AsSpan(slot.Held).CommonPrefixLength(text) : 0;
                if (best is null || own > common || (own == common && slot.Used < best.Used))
                {
                    (best, common) = (slot, own);
                }
            }

            if (best is null)
            {
                return null;
            }

            int held = Math.Min(common, most);
            held = forgets && held < best.Held.Count ? 0 : held;
            best.Held.RemoveRange(held, best.Held.Count - held);
            (best.Owner, best.Taken) = (owner, true);
            return new TakenSlot(this, best);
        }
    }

    /// <inheritdoc/>
    public override TakenSequence TakeWhole(ReadOnlySpan<int> prompt, int positions) => TryTake(prompt, prompt.Length - 1, string.Empty) ?? throw Busy();

    /// <inheritdoc/>
    public override IDisposable TakeAll()
    {
        lock (_lock)
        {
            if (_slots.Any(s => s.Taken))
            {
                throw NotAlone();
            }

            foreach (Slot slot in _slots)
            {
                slot.Held.Clear();
                slot.Taken = true;
            }

            return new Everything(this);
        }
    }

    private void Return(params Slot[] slots)
    {
        lock (_lock)
        {
            foreach (Slot slot in slots)
            {
                (slot.Taken, slot.Used) = (false, ++_clock);
            }
        }

        OnReturned();
    }

    private sealed class Slot(int index)
    {
        public int Index => index;

        public List<int> Held { get; } = [];

        public string Owner { get; set; } = string.Empty;

        public bool Taken { get; set; }

        public long Used { get; set; }
    }

    private sealed class TakenSlot(CacheSlots owner, Slot slot) : TakenSequence
    {
        private bool _returned;

        public override int Index => slot.Index;

        public override int Held => slot.Held.Count;

        public override bool TryReach(int positions) => true;

        public override void Add(ReadOnlySpan<int> tokens)
        {
            lock (owner._lock)
            {
                slot.Held.AddRange(tokens);
            }
        }

        public override void Dispose()
        {
            if (!_returned)
            {
                _returned = true;
                owner.Return(slot);
            }
        }
    }

    private sealed class Everything(CacheSlots owner) : IDisposable
    {
        private bool _returned;

        public void Dispose()
        {
            if (!_returned)
            {
                _returned = true;
                owner.Return(owner._slots);
            }
        }
    }
}
