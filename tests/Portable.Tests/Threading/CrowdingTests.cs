using System.Diagnostics;
using FsCheck.Xunit;
using Portable.Reference.Threading;

namespace Portable.Tests.Threading;

/// <summary>When helpers are left alone, over times that are made up.</summary>
public sealed class CrowdingTests
{
    private static readonly long Millisecond = Stopwatch.Frequency / 1000;

    [Property]
    public void WaitsInProportionToThePiecesAreNoReason(ushort piece, byte percent)
    {
        Crowding crowding = new();
        long now = Stopwatch.Frequency, own = 1 + piece;
        crowding.Waited(now, now + own * (percent % 100) / 100, own);
        Assert.True(crowding.Allows(now + own));
    }

    [Property]
    public void AfterALongWaitWorkGoesOnAloneForAMultipleOfIt(byte lost)
    {
        Crowding crowding = new();
        long now = Stopwatch.Frequency, wait = (1 + lost % 50) * Millisecond;
        crowding.Waited(now, now + wait, Millisecond / 100);
        Assert.False(crowding.Allows(now + wait));
        Assert.False(crowding.Allows(now + 10 * wait));
        Assert.True(crowding.Allows(now + 20 * wait));
    }

    [Fact]
    public void EachTryThatGoesWrongSoonMakesTheNextRestLongerUpToASecond()
    {
        Crowding crowding = new();
        long now = Stopwatch.Frequency, last = 0;
        for (int round = 0; round < 20; round++)
        {
            crowding.Waited(now, now + 2 * Millisecond, Millisecond / 100);
            long rest = Millisecond;
            for (; !crowding.Allows(now + 2 * Millisecond + rest); rest += Millisecond)
            {
            }

            Assert.True(rest >= last && rest <= 1000 * Millisecond, $"{rest} after {last}");
            Assert.True(round == 0 || rest > last || rest == 1000 * Millisecond);
            last = rest;
            now += 2 * Millisecond + rest;
        }

        // A try that lasted longer than the rest before it starts again.
        now += 2000 * Millisecond;
        crowding.Waited(now, now + 2 * Millisecond, Millisecond / 100);
        Assert.True(crowding.Allows(now + 50 * Millisecond));
    }
}
