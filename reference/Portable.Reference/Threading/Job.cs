using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Portable.Reference.Threading;

/// <summary>
/// One call's pieces, and after it another's: a new one for each call would start in cold memory. A helper that comes late,
/// whenever that is, either claims a piece of the call that is on or finds none.
/// </summary>
/// <remarks>
/// The ticket holds the number of pieces and the next one. A claim replaces it by its successor, so what is claimed is a
/// piece of the call that is on at that moment, and that call goes on until the piece has ended.
/// </remarks>
internal sealed class Job
{
    [ThreadStatic]
    private static bool s_inside;

    private Action<int>? _body;
    private Exception? _failure;
    private Counters _counters;

    /// <summary>Whether the calling thread is inside a piece.</summary>
    public static bool Inside => s_inside;

    /// <summary>Whether there is a piece to claim.</summary>
    public bool HasPieces
    {
        get
        {
            long ticket = Volatile.Read(ref _counters.Ticket);
            return (int)ticket < (int)(ticket >> 32);
        }
    }

    /// <summary>Whether every piece has ended.</summary>
    public bool Done => Volatile.Read(ref _counters.Left) == 0;

    /// <summary>Starts a call; the one before has ended.</summary>
    public void Begin(int count, Action<int> body)
    {
        _body = body;
        _counters.Left = count;
        Volatile.Write(ref _counters.Ticket, (long)count << 32);
    }

    /// <summary>Claims and runs pieces until none is left.</summary>
    /// <returns>How many.</returns>
    public int Work()
    {
        int ran = 0;
        s_inside = true;
        for (int i; (i = Claim()) >= 0; ran++)
        {
            int ended = 1;
            try
            {
                _body!(i);
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref _failure, e, null);
                for (; Claim() >= 0; ended++)
                {
                }
            }

            Interlocked.Add(ref _counters.Left, -ended);
        }

        s_inside = false;
        return ran;
    }

    /// <summary>Called when <see cref="Done"/>: lets go of what the pieces hold and throws what one of them threw.</summary>
    public void End()
    {
        _body = null;
        if (_failure is { } failure)
        {
            _failure = null;
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    private int Claim()
    {
        long ticket = Volatile.Read(ref _counters.Ticket);
        while (true)
        {
            int next = (int)ticket;
            if (next >= (int)(ticket >> 32))
            {
                return -1;
            }

            long seen = Interlocked.CompareExchange(ref _counters.Ticket, ticket + 1, ticket);
            if (seen == ticket)
            {
                return next;
            }

            ticket = seen;
        }
    }

    // Claiming and finishing do not take each other's cache line.
    [StructLayout(LayoutKind.Explicit, Size = 320)]
    private struct Counters
    {
        [FieldOffset(0)]
        public long Ticket;

        [FieldOffset(128)]
        public int Left;
    }
}
