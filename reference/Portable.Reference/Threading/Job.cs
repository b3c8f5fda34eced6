using System.Runtime.CompilerServices;
using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Portable.Reference.Threading;

/// <summary>
/// One call's pieces, and after it another's: a new one for each call would start in cold memory. Every thread has a stretch
/// of neighbouring pieces, the same each time that the same work comes again (its weights are in its caches), and then
/// claims pieces of others. A helper that comes late, whenever that is, either claims a piece of the call that is on or
/// finds none.
/// </summary>
/// <remarks>
/// The ticket of a stretch holds its end and its next piece. A claim replaces it by its successor, so what is claimed is a
/// piece of the call that is on at that moment, and that call goes on until the piece has ended. What a thread has run it counts
/// where only it writes: one counter of all threads would pass from core to core, once for each of them, at the end of every call.
/// </remarks>
/// <param name="threads">The most threads that take part.</param>
internal sealed class Job(int threads)
{
    // Claims of a helper that has finished its stretch: of its next neighbours only, since every look takes a cache line.
    private const int Neighbours = 4;

    [ThreadStatic]
    private static bool s_inside;

    private readonly Stretch[] _stretches = new Stretch[threads];
    private Exception? _failure;
    private long _wanted;
    private int _used;

    /// <summary>Whether the calling thread is inside a piece.</summary>
    public static bool Inside => s_inside;

    /// <summary>Whether every piece has ended; for the caller.</summary>
    public bool Done
    {
        get
        {
            long ran = 0;
            foreach (ref Stretch stretch in _stretches.AsSpan())
            {
                ran += Volatile.Read(ref stretch.Ran);
            }

            return ran == _wanted;
        }
    }

    /// <summary>Whether a thread's own stretch has a piece to claim.</summary>
    public bool HasPieces(int thread)
    {
        long ticket = Volatile.Read(ref _stretches[thread].Ticket);
        return (int)ticket < (int)(ticket >> 32);
    }

    /// <summary>Starts a call; the one before has ended.</summary>
    /// <param name="count">Pieces, at least one for each thread.</param>
    /// <param name="body">Runs a piece.</param>
    /// <param name="used">Threads that are to take part.</param>
    public void Begin(int count, Action<int> body, int used)
    {
        if (_used != used)
        {
            // Threads that take no part any more need not hold on to what the last work was done with.
            for (int i = used; i < _used; i++)
            {
                _stretches[i].Body = null;
            }

            _used = used;
        }

        _wanted += count;
        for (int i = used - 1; i >= 0; i--)
        {
            ref Stretch stretch = ref _stretches[i];
            stretch.Body = body;
            long first = (long)count * i / used, end = (long)count * (i + 1) / used;
            Volatile.Write(ref stretch.Ticket, (end << 32) | first);
        }
    }

    /// <summary>The caller's part: its own stretch and, until all pieces have ended, what it finds in those of others.</summary>
    /// <returns>How many pieces it ran.</returns>
    public int Lead()
    {
        int ran = Work(0, 0);
        for (int other = 1; other < _used; other++)
        {
            ran += Work(other, 0);
        }

        return ran;
    }

    /// <summary>A helper's part: its own stretch, then what is left of its neighbours'.</summary>
    public void Help(int thread)
    {
        Work(thread, thread);
        int used = _used;
        for (int i = 1; i <= Math.Min(Neighbours, used - 1); i++)
        {
            Work((thread + used - i) % used, thread);
        }
    }

    /// <summary>Called when <see cref="Done"/>: throws what one of the pieces threw.</summary>
    public void End()
    {
        if (_failure is { } failure)
        {
            _failure = null;
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    private int Work(int of, int thread)
    {
        ref Stretch stretch = ref _stretches[of];
        if (!HasPieces(of))
        {
            return 0;
        }

        int ran = 0;
        s_inside = true;
        for (int i; (i = Claim(ref stretch)) >= 0; ran++)
        {
            try
            {
                stretch.Body!(i);
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref _failure, e, null);
                ran += Drain();
            }
        }

        s_inside = false;
        if (ran > 0)
        {
            // After all that the pieces wrote.
            ref long total = ref _stretches[thread].Ran;
            Volatile.Write(ref total, total + ran);
        }

        return ran;
    }

    // What nobody has claimed yet is not run.
    private int Drain()
    {
        int drained = 0;
        for (int i = 0; i < _used; i++)
        {
            for (; Claim(ref _stretches[i]) >= 0; drained++)
            {
            }
        }

        return drained;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Claim(ref Stretch stretch)
    {
        long ticket = Volatile.Read(ref stretch.Ticket);
        while (true)
        {
            int next = (int)ticket;
            if (next >= (int)(ticket >> 32))
            {
                return -1;
            }

            long seen = Interlocked.CompareExchange(ref stretch.Ticket, ticket + 1, ticket);
            if (seen == ticket)
            {
                return next;
            }

            ticket = seen;
        }
    }

    // Two cache lines, since processors fetch them in pairs.
    [StructLayout(LayoutKind.Explicit, Size = 128)]
    private struct Stretch
    {
        [FieldOffset(0)]
        public Action<int>? Body;

        [FieldOffset(8)]
        public long Ticket;

        // Pieces that the stretch's own thread has run, of whichever stretch, since the job was made.
        [FieldOffset(64)]
        public long Ran;
    }
}
