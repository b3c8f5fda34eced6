using FsCheck.Xunit;
using Portable.Reference.Threading;

namespace Portable.Tests.Threading;

/// <summary>When helpers are left alone, over times that are made up.</summary>
public sealed class CrowdingTests
{
    private const long Start = 1_000_000;

    [Property]
    public void WaitsInProportionToThePiecesAreNoReason(ushort piece, byte percent)
    {
        Crowding crowding = new();
        crowding.Waited(TimeSpan.FromMilliseconds(piece * (percent % 100) / 100.0), piece, Start);
        Assert.True(crowding.Allows(Start));
    }

    [Property]
    public void AfterAHiccupWorkGoesOnAloneForAsLongAsWasLost(byte lost)
    {
        Crowding crowding = new();
        long wait = 1 + lost % 50;
        crowding.Waited(TimeSpan.FromMilliseconds(wait), 0, Start);
        Assert.False(crowding.Allows(Start));
        Assert.False(crowding.Allows(Start + wait - 1));
        Assert.True(crowding.Allows(Start + wait));
    }

    [Fact]
    public void WhereWaitsTakeAPartOfTheTimeRestsGrowUpToASecond()
    {
        Crowding crowding = new();
        long now = Start, last = 0;
        for (int round = 0; round < 20; round++)
        {
            crowding.Waited(TimeSpan.FromMilliseconds(2), 0, now);
            long rest = 0;
            for (; !crowding.Allows(now + rest); rest++)
            {
            }

            // The first is a hiccup.
            Assert.True(round == 0 ? rest == 2 : rest >= 50 && (rest > last || rest == 1000), $"{rest} after {last}");
            last = rest;
            now += 10 + rest;
        }

        Assert.Equal(1000, last);

        // A try that lasted starts again.
        now += 200;
        crowding.Waited(TimeSpan.FromMilliseconds(2), 0, now);
        Assert.True(crowding.Allows(now + 2));
    }
}
