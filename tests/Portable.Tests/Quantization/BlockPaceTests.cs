using Portable.Quantization;
using Portable.Quantization.Runs;
using Xunit;

namespace Portable.Tests.Quantization;

/// <summary>What is said between blocks.</summary>
public class BlockPaceTests
{
    [Fact]
    public void BlocksAreToldButTheLastAndWhatTheMethodToldItself()
    {
        List<string> said = [];
        BlockPace pace = new(3, 1000, TimeSpan.Zero, said.Add);
        for (int index = 0; index < 3; index++)
        {
            pace.Begin(index);
            pace.End(index, told: index == 0);
        }

        Assert.Matches(@"^block 2 of 3: 0 s a block, [\d,∞]+ tokens/s, 0 s left$", Assert.Single(said));
    }

    [Fact]
    public void StepsOfABlockThatTakesLongAreTold()
    {
        List<string> said = [];
        BlockPace pace = new(80, 0, TimeSpan.Zero, said.Add);
        pace.Begin(4);
        pace.Step("columns of q");
        Assert.Equal("block 5 of 80, 0 s so far: columns of q", Assert.Single(said));
    }

    [Fact]
    public void ShortRunsAreSilent()
    {
        List<string> said = [];
        BlockPace pace = new(2, 0, TimeSpan.FromHours(1), said.Add);
        pace.Begin(0);
        pace.Step("columns of q");
        pace.End(0, told: false);
        Assert.Empty(said);
    }

    [Theory]
    [InlineData(3.4, "3 s")]
    [InlineData(119, "119 s")]
    [InlineData(150, "2 min")]
    [InlineData(3600, "60 min")]
    [InlineData(9000, "2.5 h")]
    public void TimesAreAsExactAsTheyCanBe(double seconds, string text) => Assert.Equal(text, TimeLeft.Text(seconds));
}
