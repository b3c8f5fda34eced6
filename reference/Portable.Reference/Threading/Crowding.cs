using System.Diagnostics;

namespace Portable.Reference.Threading;

/// <summary>
/// Notices when other programs use the processors: then the system takes helpers off in the middle of a piece, and the caller
/// waits for milliseconds. After such a wait work goes on without helpers, first for a multiple of what was lost, longer each
/// time that trying again goes wrong soon.
/// </summary>
public sealed class Crowding
{
    private const int FirstRest = 16;

    // No scheduling delay is this short, and no piece this much longer than its neighbours.
    private static readonly long Patience = Stopwatch.Frequency / 2500;
    private const int Pieces = 8;

    private static readonly long LongestRest = Stopwatch.Frequency;

    private long _until;
    private long _rest;

    /// <summary>Whether helpers may be asked.</summary>
    /// <param name="now">The time, in ticks of <see cref="Stopwatch"/>.</param>
    public bool Allows(long now) => now >= Volatile.Read(ref _until);

    /// <summary>A caller had nothing left to do and waited for its helpers.</summary>
    /// <param name="from">Since when.</param>
    /// <param name="to">Till when.</param>
    /// <param name="piece">What a piece took of its own time; 0 = not known.</param>
    public void Waited(long from, long to, long piece)
    {
        long lost = to - from;
        if (piece == 0 || lost < Patience + Pieces * piece)
        {
            return;
        }

        // A try that outlasted the rest before it was a success.
        long tried = to - Volatile.Read(ref _until), rest = Volatile.Read(ref _rest);
        rest = Math.Min(LongestRest, tried < rest ? 2 * rest : FirstRest * lost);
        Volatile.Write(ref _rest, rest);
        Volatile.Write(ref _until, to + rest);
    }
}
