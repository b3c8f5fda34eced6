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
    private readonly WorkerPool _pool;
    private readonly Thread _thread;
    private volatile bool _closed;

    /// <summary>Starts it.</summary>
    /// <param name="model">The model.</param>
    /// <param name="cache">Its cache.</param>
    /// <param name="passes">Held while the model runs.</param>
    /// <param name="threads">Threads that choose tokens.</param>
    public Engine(Transformer model, SequenceCache cache, Lock passes, int threads)
    {
        (_scheduler, _cache, _pool) = (new Scheduler(model, cache, passes), cache, new WorkerPool(threads));
        cache.Returned += Wake;
        _thread = new Thread(Run) { IsBackground = true, Name = "Portable engine" };
        _thread.Start();
    }

    /// <summary>What it has to do and has done.</summary>
    public Scheduler Scheduler => _scheduler;

    /// <summary>Puts a text in the queue.</summary>
    /// <inheritdoc cref="Scheduler.Submit"/>
    public Answer Submit(TextRequest request, ITokenizer? tokenizer, CancellationToken cancellation)
    {
        ObjectDisposedException.ThrowIf(_closed, this);
        Answer answer = _scheduler.Submit(request, tokenizer, cancellation);
        if (cancellation.CanBeCanceled)
        {
            // A text that waits is told at once, not when there is room.
            CancellationTokenRegistration registration = cancellation.Register(Wake);
            _ = answer.Pieces.Completion.ContinueWith(_ => registration.Dispose(), CancellationToken.None, TaskContinuationOptions.ExecuteSynchronously, TaskScheduler.Default);
        }

        Wake();
        return answer;
    }

    /// <summary>Ends the texts under way without an answer, and the thread.</summary>
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
        while (!_closed)
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

        _scheduler.Abandon(new OperationCanceledException("The model was closed."));
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
