using System.Diagnostics;

namespace Portable.Reference.Threading;

/// <summary>The helpers of a pool. They hold on to this and not to the pool, so that a forgotten pool can be collected.</summary>
/// <param name="size">Helpers.</param>
internal sealed class Crew(int size)
{
    // Longer than what lies between two operations of a decode step or two steps, shorter than a time slice.
    private static readonly long Spin = Stopwatch.Frequency / 5000;

    private readonly Lock _starting = new();
    private readonly SemaphoreSlim _wake = new(0);
    private readonly Crowding _crowding = new();
    private Job? _job;
    private int _started;
    private int _sleepers;
    private volatile bool _stopped;

    /// <summary>Runs all pieces; returns when all are done.</summary>
    public void Run(int count, Action<int> body)
    {
        Job job = new(count, body);
        long start = Stopwatch.GetTimestamp();
        if (_crowding.Allows(start))
        {
            Invite(job, Math.Min(size, count - 1));
        }

        int own = job.Work();
        if (!job.Done)
        {
            long finished = Stopwatch.GetTimestamp();
            Await(job, finished);
            _crowding.Waited(finished, Stopwatch.GetTimestamp(), own == 0 ? 0 : (finished - start) / own);
        }

        job.End();
    }

    /// <summary>Ends the helpers; work goes on without them.</summary>
    public void Stop()
    {
        _stopped = true;
        _wake.Release(Math.Max(1, size));
    }

    private static void Await(Job job, long from)
    {
        while (!job.Done)
        {
            // A helper that holds a piece is most likely running; a yield helps one that is not to this processor.
            if (Stopwatch.GetTimestamp() - from < Spin)
            {
                Thread.SpinWait(1);
            }
            else
            {
                Thread.Yield();
            }
        }
    }

    private void Invite(Job job, int helpers)
    {
        if (_stopped)
        {
            return;
        }

        // The exchange is also the fence between offering the job and looking for helpers that sleep. It may replace the job
        // of another thread, which goes on with the helpers that it has.
        Interlocked.Exchange(ref _job, job);
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
                new Thread(Help) { IsBackground = true, Name = $"Portable worker {_started}" }.Start();
            }
        }
    }

    private void Help()
    {
        Job? last = null;
        while (Next(last) is { } job)
        {
            job.Work();
            last = job;
        }
    }

    /// <summary>The next job, or null when the pool ends.</summary>
    private Job? Next(Job? last)
    {
        for (long start = Stopwatch.GetTimestamp(); !_stopped;)
        {
            if (Offered(last) is { } job)
            {
                return job;
            }

            long now = Stopwatch.GetTimestamp();
            if (now - start < Spin && _crowding.Allows(now))
            {
                Thread.SpinWait(1);
                continue;
            }

            Interlocked.Increment(ref _sleepers);
            // One who has offered a job since may or may not have seen this helper: if so, the call is on its way.
            if (Offered(last) is null || !Leave())
            {
                _wake.Wait();
            }

            start = Stopwatch.GetTimestamp();
        }

        return null;
    }

    private Job? Offered(Job? last) => Volatile.Read(ref _job) is { Claimed: false } job && job != last ? job : null;

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
}
