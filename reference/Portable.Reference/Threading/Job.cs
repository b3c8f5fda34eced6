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
/// <para>
/// A call is announced in one cache line, which all helpers look at and the caller alone writes: lines that are written for each helper pass
/// from core to core one after the other before the caller can begin. A stretch has a ticket, the call's number and the next piece, and one
/// of an earlier call stands for the stretch's first piece; who claims the first one brings it up to date. A claim replaces a ticket by its
/// successor, so what is claimed is a piece of the call that is on at that moment, and that call goes on until the piece has ended.
/// </para>
/// <para>
/// What a thread has run it counts where only it writes: one counter of all threads would pass from core to core, once for each of
/// them, at the end of every call.
/// </para>
/// </remarks>
internal sealed class Job
{
    // Tickets of threads that take no part for long are brought up to date, so that a number that comes again is not taken for one that is ahead.
    private const int Renewal = 1 << 30;

    // Claims of a helper that has finished its stretch: of its next neighbours only, since every look takes a cache line.
    private const int Neighbours = 4;

    [ThreadStatic]
    private static bool s_inside;

    private readonly Stretch[] _stretches;
    private Announcement _call;
    private Exception? _failure;
    private long _wanted;

    /// <summary>Creates a job that has no call yet.</summary>
    /// <param name="threads">The most threads that take part.</param>
    /// <param name="number">Of the call before the first one.</param>
    public Job(int threads, int number = 0)
    {
        _stretches = new Stretch[threads];
        _call.Number = number;
        Renew(number);
    }

    /// <summary>Whether the calling thread is inside a piece.</summary>
    public static bool Inside => s_inside;

    /// <summary>Number of the call that is on, or of the last one; another for each call.</summary>
    public int Number => Volatile.Read(ref _call.Number);

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

    /// <summary>Starts a call; the one before has ended.</summary>
    /// <param name="count">Pieces, at least one for each thread.</param>
    /// <param name="body">Runs a piece.</param>
    /// <param name="used">Threads that are to take part.</param>
    public void Begin(int count, Action<int> body, int used)
    {
        _wanted += count;
        int number = _call.Number + 1;
        if (number % Renewal == 0)
        {
            Renew(number - 1);
        }

        long cut = ((long)used << 32) | (uint)count;

        // Two places in turns: a helper that still looks at the call before finds there what belongs to it.
        if ((number & 1) == 0)
        {
            Volatile.Write(ref _call.Even, cut);
        }
        else
        {
            Volatile.Write(ref _call.Odd, cut);
        }

        _call.Body = body;
        Volatile.Write(ref _call.Number, number);
    }

    /// <summary>The caller's part: its own stretch and, until all pieces have ended, what it finds in those of others.</summary>
    /// <returns>How many pieces it ran.</returns>
    public int Lead()
    {
        Call call = Look();
        int ran = Work(call, 0, 0);
        for (int other = 1; other < call.Used; other++)
        {
            ran += Work(call, other, 0);
        }

        return ran;
    }

    /// <summary>A helper's part of a call that it takes part in: its own stretch, then what is left of its neighbours'.</summary>
    public void Help(Call call, int thread)
    {
        Work(call, thread, thread);
        for (int i = 1; i <= Math.Min(Neighbours, call.Used - 1); i++)
        {
            Work(call, (thread + call.Used - i) % call.Used, thread);
        }
    }

    /// <summary>The call that is on, or the last one.</summary>
    public Call Look()
    {
        while (true)
        {
            int number = Number;
            long cut = (number & 1) == 0 ? Volatile.Read(ref _call.Even) : Volatile.Read(ref _call.Odd);
            if (number == Number)
            {
                return new Call(number, (int)cut, (int)(cut >> 32));
            }
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

    // All tickets to the end of a call that has ended.
    private void Renew(int number)
    {
        foreach (ref Stretch stretch in _stretches.AsSpan())
        {
            Volatile.Write(ref stretch.Ticket, ((long)number << 32) | int.MaxValue);
        }
    }

    private int Work(Call call, int of, int thread)
    {
        ref Stretch stretch = ref _stretches[of];
        int first = call.First(of), end = call.First(of + 1), i = Claim(ref stretch, call.Number, first, end);
        if (i < 0)
        {
            return 0;
        }

        // Of the call that is on: it cannot end without the claimed piece.
        Action<int> body = _call.Body!;
        int ran = 0;
        s_inside = true;
        for (; i >= 0; i = Claim(ref stretch, call.Number, first, end), ran++)
        {
            try
            {
                body(i);
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref _failure, e, null);
                ran += Drain(call);
            }
        }

        s_inside = false;

        // After all that the pieces wrote.
        ref long total = ref _stretches[thread].Ran;
        Volatile.Write(ref total, total + ran);
        return ran;
    }

    // What nobody has claimed yet is not run.
    private int Drain(Call call)
    {
        int drained = 0;
        for (int i = 0; i < call.Used; i++)
        {
            for (; Claim(ref _stretches[i], call.Number, call.First(i), call.First(i + 1)) >= 0; drained++)
            {
            }
        }

        return drained;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static int Claim(ref Stretch stretch, int number, int first, int end)
    {
        long ticket = Volatile.Read(ref stretch.Ticket);
        while (true)
        {
            // Numbers come again after four thousand million calls: what counts is which of two is ahead. A ticket that is ahead says that
            // the claimer's call has ended.
            int ahead = (int)(ticket >> 32) - number, next = ahead < 0 ? first : (int)ticket;
            if (ahead > 0 || next >= end)
            {
                return -1;
            }

            long seen = Interlocked.CompareExchange(ref stretch.Ticket, ((long)number << 32) | (uint)(next + 1), ticket);
            if (seen == ticket)
            {
                return next;
            }

            ticket = seen;
        }
    }

    /// <summary>A call as a thread has seen it.</summary>
    /// <param name="Number">Its number, another for each call of a job.</param>
    /// <param name="Count">Pieces.</param>
    /// <param name="Used">Threads that take part.</param>
    public readonly record struct Call(int Number, int Count, int Used)
    {
        /// <summary>The first piece of a thread's stretch.</summary>
        public int First(int thread) => (int)((long)Count * thread / Used);
    }

    // In a cache line of its own and that line's neighbour, since processors fetch them in pairs.
    [StructLayout(LayoutKind.Explicit, Size = 256)]
    private struct Announcement
    {
        [FieldOffset(128)]
        public Action<int>? Body;

        [FieldOffset(136)]
        public int Number;

        // Pieces, and above them the threads that take part, of calls with even and odd numbers.
        [FieldOffset(144)]
        public long Even;

        [FieldOffset(152)]
        public long Odd;
    }

    // Two cache lines, since processors fetch them in pairs.
    [StructLayout(LayoutKind.Explicit, Size = 128)]
    private struct Stretch
    {
        [FieldOffset(0)]
        public long Ticket;

        // Pieces that the stretch's own thread has run, of whichever stretch, since the job was made.
        [FieldOffset(64)]
        public long Ran;
    }
}
