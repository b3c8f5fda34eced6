using Portable.Inference;
using Portable.Reference.Threading;
using Portable.Tokenizers;

namespace Portable.Serving;

/// <summary>A scheduler on a thread of its own, which sleeps while there is nothing to do. Safe for use by several threads.</summary>
internal sealed class Engine : IDisposable
{
    private readonly Scheduler _scheduler;
    private readonly SequenceCache _cache;
    private readonly AutoResetEvent _wake = new(false);
    private readonly PassGate _passes;
    private readonly WorkerPool _pool;
    private readonly Thread _thread;
    private readonly Lock _arrivals = new();
    private volatile bool _closed;
    private bool _ended;

    /// <summary>Starts it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="cache">Its cache.</param>
    /// <param name="passes">Lets one pass run at a time, of others too.</param>
    /// <param name="threads">Threads that choose tokens.</param>
    public Engine(Transformer model, SequenceCache cache, PassGate passes, int threads)
    {
        (_scheduler, _cache, _passes, _pool) = (new Scheduler(model, cache, passes), cache, passes, new WorkerPool(threads));
        cache.Returned += Wake;
        _thread = new Thread(Run) { IsBackground = true, Name = "Portable engine" };
        _thread.Start();
    }

    /// <summary>What it has to do and has done.</summary>
    public Scheduler Scheduler => _scheduler;

    /// <summary>Puts a text in the queue.</summary>
    /// <inheritdoc cref="Scheduler.Submit"/>
    /// <exception cref="ObjectDisposedException">The model was closed.</exception>
    public Answer Submit(TextRequest request, ITokenizer? tokenizer, CancellationToken cancellation)
    {
        Answer answer;
        lock (_arrivals)
        {
            // Nobody would end it any more.
            answer = _closed || _ended ? throw _passes.Closed() : _scheduler.Submit(request, tokenizer, cancellation);
        }

        if (cancellation.CanBeCanceled)
        {
            // A text that waits is told at once, not when there is room.
            CancellationTokenRegistration registration = cancellation.Register(Wake);
            _ = answer.Pieces.Completion.ContinueWith(_ => registration.Dispose(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        Wake();
        return answer;
    }

    /// <summary>Ends the texts under way with <see cref="ObjectDisposedException"/>, and the thread.</summary>
    public void Dispose()
    {
        if (_closed)
        {
            return;
        }

        _closed = true;
        Wake();
        _thread.Join();
        _cache.Returned -= Wake;
        _pool.Dispose();
        _wake.Dispose();
    }

    private void Run()
    {
        using WorkerPool.Scope scope = _pool.Use();
        while (!_closed && !_passes.IsClosed)
        {
            try
            {
                if (!_scheduler.Step())
                {
                    _wake.WaitOne();
                }
            }
            catch (Exception e)
            {
                // A fault of no text's own: those under way get it for their answer, and later ones are tried anew.
                _scheduler.Abandon(e);
            }
        }

        lock (_arrivals)
        {
            _ended = true;
        }

        _scheduler.Abandon(_passes.Closed());
    }

    private void Wake()
    {
        try
        {
            _wake.Set();
        }
        catch (ObjectDisposedException)
        {
            // Nothing waits any more.
        }
    }
}
