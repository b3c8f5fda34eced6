namespace Portable.Inference;

/// <summary>
/// Lets one pass of a model run at a time, and none once it is closed: what passes work on is freed between them, never under one.
/// </summary>
/// <param name="owner">Name of what is closed, for <see cref="ObjectDisposedException"/>.</param>
internal sealed class PassGate(string owner = nameof(Portable))
{
    private readonly Lock _lock = new();
    private volatile bool _closed;
    private bool _closing;
    private int _depth;
    private Action? _free;

    /// <summary>Whether no pass will run any more.</summary>
    public bool IsClosed => _closed;

    /// <summary>Waits for its turn.</summary>
    /// <returns>The pass, until it is disposed of on the same thread.</returns>
    /// <exception cref="ObjectDisposedException">The gate is closed.</exception>
    public Pass Enter()
    {
        _lock.Enter();
        if (_closed)
        {
            _lock.Exit();
            throw Closed();
        }

        _depth++;
        return new Pass(this);
    }

    /// <summary>What whoever comes too late is told.</summary>
    public ObjectDisposedException Closed() => new(owner, "The model was closed.");

    /// <summary>Lets no pass begin any more, waits for the one that runs, and frees what they work on; the second time nothing. Called by what runs within a pass, the pass goes on and frees at its end.</summary>
    /// <param name="free">Frees it; called once, when no pass runs.</param>
    public void Close(Action free)
    {
        if (Interlocked.Exchange(ref _closing, true))
        {
            return;
        }

        _closed = true;
        if (_lock.IsHeldByCurrentThread)
        {
            _free = free;
            return;
        }

        // Whoever comes to hold it now finds the gate closed.
        lock (_lock)
        {
        }

        free();
    }

    private void Exit()
    {
        Action? free = --_depth == 0 ? Interlocked.Exchange(ref _free, null) : null;
        _lock.Exit();
        free?.Invoke();
    }

    /// <summary>A pass; the default value is one of a model that nobody closes meanwhile.</summary>
    public readonly ref struct Pass
    {
        private readonly PassGate? _gate;

        internal Pass(PassGate gate) => _gate = gate;

        /// <summary>Lets the next one run.</summary>
        public void Dispose() => _gate?.Exit();
    }
}
