namespace Portable.Reference.Threading;

/// <summary>
/// Runs independent pieces of work on all processors: persistent threads, no allocation but the closure, a few
/// microseconds per call. Pieces must not depend on each other or on who runs them, so results never depend on the split.
/// </summary>
/// <remarks>The number of threads is <see cref="Environment.ProcessorCount"/> (DOTNET_PROCESSOR_COUNT sets it).</remarks>
public static class WorkerPool
{
    // About 20 µs: longer than the gap between two operations of a decode step, shorter than a time slice.
    private const int SpinIterations = 2000;

    private static readonly Lock Gate = new();
    private static readonly Worker[] Workers = CreateWorkers();

    [ThreadStatic]
    private static bool s_inside;

    private static Action<int>? s_body;
    private static int s_count;
    private static int s_next;
    private static int s_running;
    private static Exception? s_failure;

    /// <summary>Threads that take part, the caller included.</summary>
    public static int Threads => Workers.Length + 1;

    /// <summary>Calls <paramref name="body"/> once for each of 0 … <paramref name="count"/> − 1 and returns when all are done.</summary>
    /// <remarks>Inside a piece of work, or while another thread uses the pool, the calls run in order on the calling thread.</remarks>
    public static void Run(int count, Action<int> body)
    {
        if (count <= 1 || Workers.Length == 0 || s_inside || !Gate.TryEnter())
        {
            for (int i = 0; i < count; i++)
            {
                body(i);
            }

            return;
        }

        try
        {
            s_body = body;
            s_count = count;
            s_next = 0;
            s_failure = null;
            int helpers = Math.Min(Workers.Length, count - 1);
            Volatile.Write(ref s_running, helpers);
            for (int i = 0; i < helpers; i++)
            {
                Workers[i].Start();
            }

            Work();
            SpinWait spin = default;
            while (Volatile.Read(ref s_running) != 0)
            {
                spin.SpinOnce(sleep1Threshold: -1);
            }

            s_body = null;
            if (s_failure is { } failure)
            {
                s_failure = null;
                System.Runtime.ExceptionServices.ExceptionDispatchInfo.Throw(failure);
            }
        }
        finally
        {
            Gate.Exit();
        }
    }

    private static void Work()
    {
        s_inside = true;
        try
        {
            Action<int> body = s_body!;
            for (int i; (i = Interlocked.Increment(ref s_next) - 1) < s_count;)
            {
                body(i);
            }
        }
        catch (Exception e)
        {
            Interlocked.CompareExchange(ref s_failure, e, null);
            Volatile.Write(ref s_next, s_count);
        }
        finally
        {
            s_inside = false;
        }
    }

    private static Worker[] CreateWorkers()
    {
        Worker[] workers = new Worker[Math.Max(Environment.ProcessorCount - 1, 0)];
        for (int i = 0; i < workers.Length; i++)
        {
            workers[i] = new Worker(i);
        }

        return workers;
    }

    private sealed class Worker
    {
        private readonly SemaphoreSlim _wake = new(0);
        private int _started;
        private int _sleeping;

        public Worker(int index)
        {
            Thread thread = new(Loop) { IsBackground = true, Name = $"Portable worker {index}" };
            thread.Start();
        }

        public void Start()
        {
            Volatile.Write(ref _started, 1);
            Interlocked.MemoryBarrier();
            if (Interlocked.Exchange(ref _sleeping, 0) == 1)
            {
                _wake.Release();
            }
        }

        private void Loop()
        {
            while (true)
            {
                Wait();
                Volatile.Write(ref _started, 0);
                Work();
                Interlocked.Decrement(ref s_running);
            }
        }

        private void Wait()
        {
            for (int i = 0; i < SpinIterations; i++)
            {
                if (Volatile.Read(ref _started) == 1)
                {
                    return;
                }

                Thread.SpinWait(8);
            }

            Volatile.Write(ref _sleeping, 1);
            Interlocked.MemoryBarrier();
            if (Volatile.Read(ref _started) == 1 && Interlocked.Exchange(ref _sleeping, 0) == 1)
            {
                return;
            }

            _wake.Wait();
        }
    }
}
