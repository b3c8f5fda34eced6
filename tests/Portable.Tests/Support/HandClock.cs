namespace Portable.Tests.Support;

/// <summary>A clock that a test sets.</summary>
internal sealed class HandClock : TimeProvider
{
    /// <summary>What it shows.</summary>
    public double Seconds { get; set; }

    /// <summary>What it goes on by itself each time that it is read.</summary>
    public double Each { get; init; }

    /// <inheritdoc/>
    public override long GetTimestamp()
    {
        Seconds += Each;
        return (long)(Seconds * TimestampFrequency);
    }
}
