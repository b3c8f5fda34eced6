namespace Portable.Reference.Threading;

/// <summary>
/// Notices when other programs use the processors: then the system takes helpers off in the middle of a piece, and the caller
/// waits for milliseconds. After such a wait work goes on without helpers, first for as long as was lost, so that a hiccup
/// costs little, and longer each time that trying again goes wrong soon.
/// </summary>
public sealed class Crowding
{
    // No scheduling delay is this short, and no piece this much longer than its neighbours.
    private const int Pieces = 8;

    // In milliseconds. Several time slices: programs that want every processor interrupt a helper within this.
    private const long Soon = 30, LongestRest = 1000;
    private const int Growth = 4;

    private static readonly TimeSpan Patience = TimeSpan.FromMicroseconds(400);

    private long _until;
    private long _rest;

    /// <summary>Whether helpers may be asked.</summary>
    /// <param name="now">The time in milliseconds, as of <see cref="Environment.TickCount64"/>.</param>
    public bool Allows(long now) => now >= Volatile.Read(ref _until);

    /// <summary>A caller had nothing left to do and waited for its helpers.</summary>
    /// <param name="lost">How long.</param>
    /// <param name="piece">Milliseconds that a piece took of its own time.</param>
    /// <param name="now">The time in milliseconds.</param>
    public void Waited(TimeSpan lost, long piece, long now)
    {
        if (lost < Patience + TimeSpan.FromMilliseconds(Pieces * piece))
        {
            return;
        }

        long rest = now - Volatile.Read(ref _until) < Soon ? Math.Min(LongestRest, Growth * Volatile.Read(ref _rest)) : 0;
        rest = Math.Max(rest, (long)Math.Ceiling(lost.TotalMilliseconds));
        Volatile.Write(ref _rest, rest);
        Volatile.Write(ref _until, now + rest);
    }
}
