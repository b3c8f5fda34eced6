using System.Runtime.InteropServices;

namespace Portable.Inference;

/// <summary>
/// The cache slots of a model that several threads share. A text takes a slot as long as it is under way; what needs the whole
/// model takes all. A slot keeps what it holds when its text ends, for a later text of the same owner that begins alike.
/// </summary>
/// <remarks>
/// What a slot holds changes only while its taker runs the model. Whoever looks at slots that others have taken
/// (<see cref="TryTake"/> with copies) must hold the lock of the model's passes.
/// </remarks>
internal sealed class CacheSlots
{
    /// <summary>Positions under which computing them is no dearer than copying them.</summary>
    public const int LeastCopied = 32;

    private readonly Lock _lock = new();
    private readonly Slot[] _slots;
    private long _clock;

    public CacheSlots(int count) => _slots = [.. Enumerable.Range(0, count).Select(i => new Slot(i))];

    /// <summary>Called when slots have been given back, on the thread that did.</summary>
    public event Action? Returned;

    /// <summary>Slots.</summary>
    public int Count => _slots.Length;

    /// <summary>Slots that no text has taken.</summary>
    public int Free
    {
        get
        {
            lock (_lock)
            {
                return _slots.Count(s => !s.Taken);
            }
        }
    }

    /// <summary>Positions that all slots hold.</summary>
    public long HeldPositions
    {
        get
        {
            lock (_lock)
            {
                return _slots.Sum(s => (long)s.Held.Count);
            }
        }
    }

    /// <summary>Takes the free slot that holds most of a text already.</summary>
    /// <param name="prompt">The text's token ids.</param>
    /// <exception cref="InvalidOperationException">All are taken. Waiting could be for oneself.</exception>
    public Taken TakeOne(ReadOnlySpan<int> prompt) => TryTake(prompt, string.Empty, copies: false)
        ?? throw new InvalidOperationException($"The model is busy with {(Count == 1 ? "another text" : $"{Count} other texts")}: finish or dispose of it, or open the model with more Sequences.");

    /// <summary>
    /// Takes a free slot, or gives null where there is none: the one that holds nothing but a beginning of the text, and most of it;
    /// else the one unused for longest, whose content is given up, with a copy of what another slot holds of the text.
    /// </summary>
    /// <param name="prompt">The text's token ids.</param>
    /// <param name="owner">Whose text it is: what others' texts left is not used, for the time saved would tell of it.</param>
    /// <param name="copies">Whether the taker copies between slots.</param>
    public Taken? TryTake(ReadOnlySpan<int> prompt, string owner, bool copies)
    {
        lock (_lock)
        {
            Slot? source = null, kept = null, oldest = null;
            int most = 0;
            foreach (Slot slot in _slots)
            {
                slot.Common = (copies || !slot.Taken) && slot.Owner == owner ? CollectionsMarshal.AsSpan(slot.Held).CommonPrefixLength(prompt) : 0;
                if (slot.Common > most && (copies || !slot.Taken))
                {
                    (source, most) = (slot, slot.Common);
                }

                if (slot.Taken)
                {
                    continue;
                }

                oldest = oldest is null || slot.Used < oldest.Used ? slot : oldest;
                kept = slot.Common == slot.Held.Count && slot.Common > (kept?.Common ?? 0) ? slot : kept;
            }

            if (oldest is null)
            {
                return null;
            }

            Slot target = !copies ? source ?? oldest : kept is not null && most - kept.Common < LeastCopied ? kept : oldest;
            Taken taken = new(this, [target]);
            if (source is not null && source != target && most - target.Common >= LeastCopied)
            {
                (taken.CopySource, taken.CopyLength) = (source.Index, most);
            }

            if (target.Owner != owner)
            {
                target.Held.Clear();
                target.Owner = owner;
            }

            target.Taken = true;
            return taken;
        }
    }

    /// <summary>Takes all slots.</summary>
    /// <exception cref="InvalidOperationException">One is taken.</exception>
    public Taken TakeAll()
    {
        lock (_lock)
        {
            if (_slots.Any(s => s.Taken))
            {
                throw new InvalidOperationException("The model is busy with another text, and this needs it alone: finish or dispose of that first.");
            }

            foreach (Slot slot in _slots)
            {
                slot.Held.Clear();
                slot.Taken = true;
            }

            return new Taken(this, _slots);
        }
    }

    private void Return(Slot[] slots)
    {
        lock (_lock)
        {
            foreach (Slot slot in slots)
            {
                (slot.Taken, slot.Used) = (false, ++_clock);
            }
        }

        Returned?.Invoke();
    }

    internal sealed class Slot(int index)
    {
        public int Index => index;

        public List<int> Held { get; } = [];

        public string Owner { get; set; } = string.Empty;

        public bool Taken { get; set; }

        public long Used { get; set; }

        /// <summary>What it holds of the text that is looked for.</summary>
        public int Common { get; set; }
    }

    /// <summary>Slots in use until disposed of.</summary>
    internal sealed class Taken(CacheSlots owner, Slot[] slots) : IDisposable
    {
        private Slot[]? _slots = slots;

        public int First { get; } = slots[0].Index;

        /// <summary>Token ids whose keys and values the first slot holds, position by position; kept by whoever feeds the slot.</summary>
        public List<int> Held { get; } = slots[0].Held;

        /// <summary>The slot that holds <see cref="CopyLength"/> positions of the text, more than this one.</summary>
        public int CopySource { get; set; }

        /// <summary>Positions worth copying from <see cref="CopySource"/>; 0 = none.</summary>
        public int CopyLength { get; set; }

        public void Dispose()
        {
            if (Interlocked.Exchange(ref _slots, null) is { } taken)
            {
                owner.Return(taken);
            }
        }
    }
}
