using System.Diagnostics;
using System.Numerics;
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

    private const int Bits = 64;

    private readonly Lock _starting = new();
    private readonly SemaphoreSlim[] _wake = [.. Enumerable.Range(0, size + 1).Select(_ => new SemaphoreSlim(0))];
    private readonly Crowding _crowding = new();

    // A bit for each helper that sleeps: who calls wakes those alone that are to take part.
    private readonly ulong[] _asleep = new ulong[size / Bits + 1];
    private Job? _job;
    private Spare _spare;
    private int _started;
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
        foreach (SemaphoreSlim wake in _wake)
        {
            wake.Release();
        }
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

        for (int word = 0; word <= helpers / Bits; word++)
        {
            // Helpers 1 … helpers.
            int last = helpers - word * Bits;
            ulong wanted = last >= Bits - 1 ? ulong.MaxValue : (2UL << last) - 1;
            while ((Volatile.Read(ref _asleep[word]) & wanted) is not 0 and ulong asleep)
            {
                int thread = word * Bits + BitOperations.TrailingZeroCount(asleep);
                if (Rouse(thread))
                {
                    _wake[thread].Release();
                }
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
        Job? known = null;
        Job.Call call = default;
        while (Next(thread, ref known, ref call))
        {
            known!.Help(call, thread);
        }
    }

    /// <summary>Waits for the next call that a helper is to take part in; false when the pool ends.</summary>
    private bool Next(int thread, ref Job? known, ref Job.Call call)
    {
        int spins = 0;
        for (long start = Stopwatch.GetTimestamp(); !_stopped;)
        {
            if (IsCalled(thread, ref known, ref call))
            {
                return true;
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

            Interlocked.Or(ref _asleep[thread / Bits], 1UL << (thread % Bits));

            // One who has offered a job since may or may not have seen this helper: if so, the call is on its way.
            bool called = IsCalled(thread, ref known, ref call);
            if (!called || !Rouse(thread))
            {
                _wake[thread].Wait();
            }

            if (called)
            {
                return true;
            }

            start = Stopwatch.GetTimestamp();
        }

        return false;
    }

    /// <summary>Whether a call is on that a helper has not looked at yet and is to take part in.</summary>
    private bool IsCalled(int thread, ref Job? known, ref Job.Call call)
    {
        if (Volatile.Read(ref _job) is not { } job || (job == known && job.Number == call.Number))
        {
            return false;
        }

        (known, call) = (job, job.Look());
        return thread < call.Used;
    }

    /// <summary>Takes a helper's bit; whether it was there, which one alone learns.</summary>
    private bool Rouse(int thread)
    {
        ulong bit = 1UL << (thread % Bits);
        return (Interlocked.And(ref _asleep[thread / Bits], ~bit) & bit) != 0;
    }

    // What callers write and helpers need not see, away from what these look at all the time.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Spare
    {
        [FieldOffset(128)]
        public Job? Job;
    }
}
