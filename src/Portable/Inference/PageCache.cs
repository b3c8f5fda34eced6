using System.Runtime.InteropServices;
using Portable.Reference.Operations;

namespace Portable.Inference;

/// <summary>
/// A cache in pages of 64 positions that all sequences share. The full pages of a common beginning are held once, however many texts
/// have them; of the page in which texts part, a text gets a copy to write on. Pages that no text under way has are kept for later
/// texts and given up, those unused for longest first, when others need room.
/// </summary>
/// <remarks>
/// What is held is a tree for each owner: a page follows the page with the 64 tokens before it. A text pins the path from the root
/// to its last page, so that only leaves that nobody has are ever given up.
/// </remarks>
internal sealed class PageCache : SequenceCache
{
    /// <summary>Positions of a page.</summary>
    public const int PageSize = KeyValueCache.ChunkSize;

    /// <summary>Positions under which computing them is no dearer than copying a page.</summary>
    public const int LeastCopied = 32;

    private readonly Lock _lock = new();
    private readonly PageTable _table;
    private readonly int _context, _pages;
    private readonly Action<int, int> _copy;
    private readonly Dictionary<string, CachedPage> _roots = [];
    private readonly SortedSet<CachedPage> _leaves = new(Comparer<CachedPage>.Create((a, b) => (a.Used, a.Page).CompareTo((b.Used, b.Page))));
    private readonly Stack<int> _freePages, _freeSequences;
    private long _clock, _held;
    private int _unused;

    /// <param name="table">The pages of the model's sequences; nobody else's from now on.</param>
    /// <param name="context">Positions that a text can have.</param>
    /// <param name="copy">Gives a page what another holds.</param>
    /// <param name="sequences">Sequences to use; 0 = all.</param>
    /// <param name="pages">Pages to use, at least those of one text; 0 = all.</param>
    public PageCache(PageTable table, int context, Action<int, int> copy, int sequences = 0, int pages = 0)
    {
        (_table, _context, _copy) = (table, context, copy);
        (Count, _pages) = (sequences == 0 ? table.Sequences : sequences, pages == 0 ? table.Pages : pages);
        _freePages = new Stack<int>(Enumerable.Range(0, _pages).Reverse());
        _freeSequences = new Stack<int>(Enumerable.Range(0, Count).Reverse());
    }

    /// <inheritdoc/>
    public override int Count { get; }

    /// <inheritdoc/>
    public override int Free
    {
        get
        {
            lock (_lock)
            {
                return _freeSequences.Count;
            }
        }
    }

    /// <inheritdoc/>
    public override long Positions => (long)_pages * PageSize;

    /// <inheritdoc/>
    public override long HeldPositions => Volatile.Read(ref _held);

    /// <summary>Pages that hold nothing, and those that no text under way has.</summary>
    public (int Empty, int Unused) FreePages
    {
        get
        {
            lock (_lock)
            {
                return (_freePages.Count, _unused);
            }
        }
    }

    /// <inheritdoc/>
    public override TakenSequence? TryTake(ReadOnlySpan<int> text, int most, string owner)
    {
        lock (_lock)
        {
            return Take(text, most, owner, Math.Min(text.Length + 1, _context), _copy);
        }
    }

    /// <inheritdoc/>
    public override TakenSequence TakeWhole(ReadOnlySpan<int> prompt, int positions)
    {
        lock (_lock)
        {
            // Others may be running the model: nothing is copied.
            TakenPages taken = Take(prompt, prompt.Length - 1, string.Empty, Math.Min(positions, _context), null) ?? throw Busy();
            taken.Reach(Math.Min(positions, _context));
            return taken;
        }
    }

    /// <inheritdoc/>
    public override IDisposable TakeAll()
    {
        lock (_lock)
        {
            if (_freeSequences.Count < Count)
            {
                throw NotAlone();
            }

            if (_pages < Count * _table.Chunks)
            {
                throw new InvalidOperationException($"The cache has room for {Positions} positions, and this needs {Count} × {_context}: open the model with fewer Sequences.");
            }

            while (_leaves.Count > 0)
            {
                GiveUp(_leaves.Min!);
            }

            _roots.Clear();
            _freeSequences.Clear();
            _table.OwnPages();
            return new Everything(this);
        }
    }

    // Under the lock, as all below.
    private TakenPages? Take(ReadOnlySpan<int> text, int most, string owner, int positions, Action<int, int>? copy)
    {
        if (_freeSequences.Count == 0)
        {
            return null;
        }

        if (!_roots.TryGetValue(owner, out CachedPage? root))
        {
            _roots.Add(owner, root = new CachedPage(null, -1));
        }

        TakenPages taken = new(this, owner, root, _freeSequences.Pop());
        ReadOnlySpan<int> known = text[..most];
        CachedPage last = root, part = root;
        int common = 0;
        while (true)
        {
            common = 0;
            foreach (CachedPage next in last.Next)
            {
                int own = next.CommonWith(known);
                if (own > common)
                {
                    (part, common) = (next, own);
                }
            }

            if (common < PageSize)
            {
                break;
            }

            last = part;
            known = known[PageSize..];
            taken.Pin(last);
        }

        int needed = PageTable.ChunksOf(positions) - taken.Pages, available = _freePages.Count + _unused;
        if (available < needed)
        {
            taken.Discard();
            return null;
        }

        if (common > 0)
        {
            TakePart(taken, part, common, part.Users > 0 || available > 1 ? copy : null);
        }

        return taken;
    }

    /// <summary>Goes on in a page that holds a part of what comes next: in the page itself where nobody else has it and nothing or no room is lost by that, else in a copy.</summary>
    private void TakePart(TakenPages taken, CachedPage part, int common, Action<int, int>? copy)
    {
        bool whole = common == part.Tokens.Count;
        if (part.IsFreeToGo && (whole || (copy is null && common >= LeastCopied)))
        {
            Held(common - part.Tokens.Count);
            part.Tokens.RemoveRange(common, part.Tokens.Count - common);
            taken.Pin(part);
        }
        else if (copy is not null && common >= LeastCopied)
        {
            Use(part);
            CachedPage? own = TryAdd(taken.Last);
            Unuse(part);
            if (own is null)
            {
                return;
            }

            try
            {
                copy(part.Page, own.Page);
            }
            catch
            {
                Unuse(own);
                taken.Discard();
                throw;
            }

            own.Tokens.AddRange(part.Tokens[..common]);
            Held(common);
            taken.Put(own);
        }
    }

    /// <summary>An empty page behind another, or null where all are in use.</summary>
    private CachedPage? TryAdd(CachedPage parent)
    {
        if (!_freePages.TryPop(out int page))
        {
            if (_leaves.Min is not { } oldest)
            {
                return null;
            }

            GiveUp(oldest);
            page = _freePages.Pop();
        }

        CachedPage added = new(parent, page) { Users = 1 };
        _leaves.Remove(parent);
        parent.Next.Add(added);
        return added;
    }

    private void Use(CachedPage page)
    {
        if (page.Users++ == 0)
        {
            _unused--;
            _leaves.Remove(page);
        }
    }

    private void Unuse(CachedPage page)
    {
        if (--page.Users > 0)
        {
            return;
        }

        // The set is ordered by it: it changes only outside.
        page.Used = ++_clock;
        _unused++;
        if (page.IsFreeToGo)
        {
            _leaves.Add(page);
        }

        if (page.Tokens.Count == 0)
        {
            GiveUp(page);
        }
    }

    private void GiveUp(CachedPage leaf)
    {
        _leaves.Remove(leaf);
        _unused--;
        Held(-leaf.Tokens.Count);
        _freePages.Push(leaf.Page);
        CachedPage parent = leaf.Parent!;
        parent.Next.Remove(leaf);
        if (parent.IsFreeToGo)
        {
            _leaves.Add(parent);
        }
    }

    /// <summary>A text's page that has become full: where another text has come to the same, that one's.</summary>
    private CachedPage Share(CachedPage full)
    {
        CachedPage parent = full.Parent!;
        foreach (CachedPage other in parent.Next)
        {
            if (other != full && other.CommonWith(CollectionsMarshal.AsSpan(full.Tokens)) == PageSize)
            {
                // What the text has room for behind it is empty, and its own.
                foreach (CachedPage next in full.Next)
                {
                    next.Parent = other;
                    other.Next.Add(next);
                }

                full.Next.Clear();
                Use(other);
                Unuse(full);
                GiveUp(full);
                return other;
            }
        }

        return full;
    }

    private void Held(int tokens) => Volatile.Write(ref _held, _held + tokens);

    private void Return(int sequence, string owner, CachedPage root)
    {
        _freeSequences.Push(sequence);
        if (--root.Users == 0 && root.Next.Count == 0)
        {
            _roots.Remove(owner);
        }
    }

    /// <summary>A text's path through the tree.</summary>
    private sealed class TakenPages : TakenSequence
    {
        private readonly PageCache _cache;
        private readonly string _owner;
        private readonly CachedPage _root;
        private readonly List<CachedPage> _path = [];
        private int _held;
        private bool _returned;

        public TakenPages(PageCache cache, string owner, CachedPage root, int sequence)
        {
            (_cache, _owner, _root, Index) = (cache, owner, root, sequence);
            root.Users++;
        }

        public override int Index { get; }

        public override int Held => _held;

        public int Pages => _path.Count;

        public CachedPage Last => _path.Count == 0 ? _root : _path[^1];

        public override bool TryReach(int positions)
        {
            lock (_cache._lock)
            {
                return Reach(positions);
            }
        }

        public override void Add(ReadOnlySpan<int> tokens)
        {
            lock (_cache._lock)
            {
                while (tokens.Length > 0)
                {
                    int at = _held / PageSize;
                    CachedPage page = _path[at];
                    int count = Math.Min(PageSize - page.Tokens.Count, tokens.Length);
                    page.Tokens.AddRange(tokens[..count]);
                    _held += count;
                    _cache.Held(count);
                    tokens = tokens[count..];
                    if (page.Tokens.Count == PageSize)
                    {
                        _path[at] = _cache.Share(page);
                        _cache._table[Index, at] = _path[at].Page;
                    }
                }
            }
        }

        public override void Dispose()
        {
            lock (_cache._lock)
            {
                if (_returned)
                {
                    return;
                }

                Discard();
            }

            _cache.OnReturned();
        }

        public bool Reach(int positions)
        {
            while (_path.Count < PageTable.ChunksOf(positions))
            {
                if (_cache.TryAdd(Last) is not { } added)
                {
                    return false;
                }

                Put(added);
            }

            return true;
        }

        /// <summary>Goes on with a page that others may have too.</summary>
        public void Pin(CachedPage page)
        {
            _cache.Use(page);
            Put(page);
        }

        /// <summary>Goes on with a page that counts the text among its users already.</summary>
        public void Put(CachedPage page)
        {
            _cache._table[Index, _path.Count] = page.Page;
            _path.Add(page);
            _held += page.Tokens.Count;
        }

        /// <summary>Gives all back, the last pages first: they are the first to go.</summary>
        public void Discard()
        {
            _returned = true;
            for (int i = _path.Count - 1; i >= 0; i--)
            {
                _cache.Unuse(_path[i]);
            }

            _cache.Return(Index, _owner, _root);
        }
    }

    private sealed class Everything(PageCache cache) : IDisposable
    {
        private bool _returned;

        public void Dispose()
        {
            lock (cache._lock)
            {
                if (_returned)
                {
                    return;
                }

                _returned = true;
                for (int sequence = cache.Count - 1; sequence >= 0; sequence--)
                {
                    cache._freeSequences.Push(sequence);
                }
            }

            cache.OnReturned();
        }
    }
}
