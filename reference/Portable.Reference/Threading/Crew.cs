using System.Diagnostics;
using System.Runtime.InteropServices;

namespace Portable.Reference.Threading;

/// <summary>The helpers of a pool. They hold on to this and not to the pool, so that a forgotten pool can be collected.</summary>
/// <param name="size">Helpers.</param>
internal sealed class Crew(int size)
{
    // Longer than what lies between two operations of a decode step or two steps, shorter than a time slice.
    private static readonly long Spin = Stopwatch.Frequency / 5000;

    // The clock costs more than a look at the job, and a pause leaves the core to its other hyperthread.
    private const int SpinsPerLook = 16, PausesPerSpin = 1;

    private readonly Lock _starting = new();
    private readonly SemaphoreSlim _wake = new(0);
    private readonly Crowding _crowding = new();
    private Job? _job;
    private Spare _spare;
    private int _started;
    private int _sleepers;
    private volatile bool _stopped;

    /// <summary>Runs all pieces; returns when all are done.</summary>
    /// <param name="count">Pieces.</param>
    /// <param name="body">Runs a piece.</param>
    /// <param name="most">Threads that are to take part at most, 2 … pieces.</param>
    public void Run(int count, Action<int> body, int most)
    {
        Job job = Interlocked.Exchange(ref _spare.Job, null) ?? new Job(size + 1);
        long start = Environment.TickCount64;
        bool together = !_stopped && _crowding.Allows(start);
        job.Begin(count, body, together ? Math.Min(size + 1, most) : 1);
        if (together)
        {
            Invite(job, Math.Min(size, most - 1));
        }

        int own = job.Lead();
        if (!job.Done)
        {
            long mean = (Environment.TickCount64 - start) / Math.Max(own, 1);
            _crowding.Waited(Await(job), mean, Environment.TickCount64);
        }

        try
        {
            job.End();
        }
        finally
        {
            Volatile.Write(ref _spare.Job, job);
        }
    }

    /// <summary>Ends the helpers; work goes on without them.</summary>
    public void Stop()
    {
        _stopped = true;
        _wake.Release(Math.Max(1, size));
    }

    private static TimeSpan Await(Job job)
    {
        long from = Stopwatch.GetTimestamp();
        for (int spins = 1; !job.Done; spins++)
        {
            // A helper that holds a piece is most likely running; a yield helps one that is not to this processor.
            if (spins % SpinsPerLook != 0 || Stopwatch.GetTimestamp() - from < Spin)
            {
                Thread.SpinWait(1);
            }
            else
            {
                Thread.Yield();
            }
        }

        return Stopwatch.GetElapsedTime(from);
    }

    private void Invite(Job job, int helpers)
    {
        // It may replace the job of another thread, which goes on with the helpers that it has.
        if (Volatile.Read(ref _job) != job)
        {
            Volatile.Write(ref _job, job);
        }

        // Between offering the job and looking for helpers that sleep.
        Interlocked.MemoryBarrier();
        if (_started < helpers)
        {
            Start(helpers);
        }

        for (int sleepers; (sleepers = Volatile.Read(ref _sleepers)) > 0;)
        {
            int called = Math.Min(helpers, sleepers);
            if (Interlocked.CompareExchange(ref _sleepers, sleepers - called, sleepers) == sleepers)
            {
                _wake.Release(called);
                return;
            }
        }
    }

    private void Start(int helpers)
    {
        lock (_starting)
        {
            for (; _started < helpers; _started++)
            {
                int thread = _started + 1;
                new Thread(() => Help(thread)) { IsBackground = true, Name = $"Portable worker {_started}" }.Start();
            }
        }
    }

    private void Help(int thread)
    {
        while (Next(thread) is { } job)
        {
            job.Help(thread);
        }
    }

    /// <summary>The next job, or null when the pool ends.</summary>
    private Job? Next(int thread)
    {
        int spins = 0;
        for (long start = Stopwatch.GetTimestamp(); !_stopped;)
        {
            if (Volatile.Read(ref _job) is { } job && job.HasPieces(thread))
            {
                return job;
            }

            if (++spins % SpinsPerLook != 0)
            {
                Thread.SpinWait(PausesPerSpin);
                continue;
            }

            if (Stopwatch.GetTimestamp() - start < Spin && _crowding.Allows(Environment.TickCount64))
            {
                continue;
            }

            Interlocked.Increment(ref _sleepers);
            // One who has offered a job since may or may not have seen this helper: if so, the call is on its way.
            if (!(Volatile.Read(ref _job) is { } late && late.HasPieces(thread)) || !Leave())
            {
                _wake.Wait();
            }

            start = Stopwatch.GetTimestamp();
        }

        return null;
    }

    private bool Leave()
    {
        for (int sleepers; (sleepers = Volatile.Read(ref _sleepers)) > 0;)
        {
            if (Interlocked.CompareExchange(ref _sleepers, sleepers - 1, sleepers) == sleepers)
            {
                return true;
            }
        }

        return false;
    }

    // What callers write and helpers need not see, away from what these look at all the time.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Spare
    {
        [FieldOffset(128)]
        public Job? Job;
    }
}
