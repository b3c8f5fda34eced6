namespace Portable.Reference.Threading;

/// <summary>
/// Notices when other programs use the processors: then the system takes helpers off in the middle of a piece, and the caller
/// waits for milliseconds. After a hiccup work goes on without helpers for as long as was lost; where such waits take a part
/// of the time, for longer, and longer each time that trying again goes wrong.
/// </summary>
internal sealed class Crowding
{
    // No scheduling delay is this short, and no piece this much longer than its neighbours.
    private const int Pieces = 8;

    // Lost time under a tenth of the time since the last rest is a hiccup. Rests in milliseconds: from several time slices on.
    private const int Tenth = 10, Growth = 4;
    private const long ShortestRest = 50, LongestRest = 1000;

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

        double tried = now - Volatile.Read(ref _until);
        long rest = lost.TotalMilliseconds * Tenth < tried
            ? (long)Math.Ceiling(lost.TotalMilliseconds)
            : Math.Clamp(Growth * Volatile.Read(ref _rest), ShortestRest, LongestRest);
        Volatile.Write(ref _rest, rest);
        Volatile.Write(ref _until, now + rest);
    }
}
