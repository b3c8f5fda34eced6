namespace Portable.Reference.Threading;

/// <summary>
/// Threads that help a caller with independent pieces of work. Each thread claims the pieces of its own stretch one at a
/// time, the same stretch whenever the same work comes again, and then pieces of others'; the caller claims all that are
/// left and waits only for those that a helper has claimed and not finished: a helper that the system never scheduled costs
/// nothing. Pieces must not depend on each other or on who runs them, so results never depend on the split.
/// </summary>
/// <remarks>
/// The operations of this library run on the pool that their thread uses (<see cref="Use"/>), or on one of the process that
/// has <see cref="Environment.ProcessorCount"/> threads (DOTNET_PROCESSOR_COUNT and the limits of a container count). Helpers
/// start when they are first needed and end with the pool.
/// </remarks>
internal sealed class WorkerPool : IDisposable
{
    private static readonly Lazy<WorkerPool> Shared = new(() => new WorkerPool());

    [ThreadStatic]
    private static WorkerPool? s_current;

    private readonly Crew _crew;

    /// <summary>Creates a pool.</summary>
    /// <param name="size">Threads that take part, the caller included; 0 = those that the calling thread uses now.</param>
    /// <exception cref="ArgumentOutOfRangeException">A negative number.</exception>
    public WorkerPool(int size = 0)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(size);
        Size = size != 0 ? size : s_current?.Size ?? Environment.ProcessorCount;
        _crew = new Crew(Size - 1);
    }

    /// <summary>Ends the helpers of a pool that nobody disposed of.</summary>
    ~WorkerPool() => _crew?.Stop();

    /// <summary>Threads that take part in the calling thread's work, itself included.</summary>
    public static int Threads => s_current?.Size ?? Environment.ProcessorCount;

    /// <summary>Threads that take part, the caller included.</summary>
    public int Size { get; }

    /// <summary>Calls <paramref name="body"/> once for each of 0 … <paramref name="count"/> − 1 and returns when all are done.</summary>
    /// <param name="count">Pieces.</param>
    /// <param name="body">Runs a piece.</param>
    /// <param name="most">Threads that the work is worth; the pool may have fewer.</param>
    /// <remarks>
    /// Several threads may do so at once; the helpers share themselves out. Inside a piece of work the calls run in order on
    /// the calling thread. An exception ends the work early and reaches the caller.
    /// </remarks>
    public static void Run(int count, Action<int> body, int most = int.MaxValue)
    {
        if (count <= 1 || most <= 1 || Threads == 1 || Job.Inside)
        {
            for (int i = 0; i < count; i++)
            {
                body(i);
            }

            return;
        }

        WorkerPool pool = s_current ?? Shared.Value;
        pool._crew.Run(count, body, Math.Min(count, most));
        GC.KeepAlive(pool);
    }

    /// <summary>Makes the calling thread's work run on this pool until the answer is disposed of, on the same thread.</summary>
    public Scope Use()
    {
        Scope scope = new(s_current);
        s_current = this;
        return scope;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        _crew.Stop();
        GC.SuppressFinalize(this);
    }

    /// <summary>While it lasts, a thread's work runs on the pool that made it.</summary>
    public readonly ref struct Scope
    {
        private readonly WorkerPool? _before;

        internal Scope(WorkerPool? before) => _before = before;

        /// <summary>Back to the pool of before.</summary>
        public void Dispose() => s_current = _before;
    }
}
