using System.Runtime.ExceptionServices;
using System.Runtime.InteropServices;

namespace Portable.Reference.Threading;

/// <summary>
/// One call's pieces. Never used again, so that a helper that comes late, whenever that is, finds every piece claimed.
/// </summary>
internal sealed class Job(int count, Action<int> body)
{
    [ThreadStatic]
    private static bool s_inside;

    private Action<int>? _body = body;
    private Exception? _failure;
    private Counters _counters;

    /// <summary>Whether the calling thread is inside a piece.</summary>
    public static bool Inside => s_inside;

    /// <summary>Whether every piece is claimed.</summary>
    public bool Claimed => Volatile.Read(ref _counters.Next) >= count;

    /// <summary>Whether every piece has ended.</summary>
    public bool Done => Volatile.Read(ref _counters.Done) == count;

    /// <summary>Claims and runs pieces until none is left.</summary>
    /// <returns>How many.</returns>
    public int Work()
    {
        int ran = 0;
        s_inside = true;
        for (int i; (i = Interlocked.Increment(ref _counters.Next) - 1) < count; ran++)
        {
            int ended = 1;
            try
            {
                _body!(i);
            }
            catch (Exception e)
            {
                Interlocked.CompareExchange(ref _failure, e, null);
                ended += Math.Max(0, count - Interlocked.Exchange(ref _counters.Next, count));
            }

            Interlocked.Add(ref _counters.Done, ended);
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
            ExceptionDispatchInfo.Throw(failure);
        }
    }

    // Claiming and finishing do not take each other's cache line, nor that of the fields that all read.
    [StructLayout(LayoutKind.Explicit, Size = 384)]
    private struct Counters
    {
        [FieldOffset(128)]
        public int Next;

        [FieldOffset(256)]
        public int Done;
    }
}
