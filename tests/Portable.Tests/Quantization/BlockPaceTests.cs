using Portable.Quantization;
using Portable.Quantization.Runs;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.Quantization;

/// <summary>What is said between blocks.</summary>
public class BlockPaceTests
{
    [Fact]
    public void BlocksAreToldEveryTenSecondsButTheLastAndWhatTheMethodToldItself()
    {
        List<string> said = [];
        HandClock clock = new();
        BlockPace pace = new(9, said.Add, clock);
        for (int index = 0; index < 9; index++)
        {
            pace.Begin(index);
            clock.Seconds += 4;
            pace.End(index, 1000, told: index == 3);
        }

        Assert.Equal(["block 3 of 9: 4 s a block, 250 tokens/s, 24 s left", "block 7 of 9: 4 s a block, 250 tokens/s, 8 s left"], said);
    }

    [Fact]
    public void StepsOfABlockThatTakesLongAreTold()
    {
        List<string> said = [];
        HandClock clock = new();
        BlockPace pace = new(80, said.Add, clock);
        pace.Begin(4);
        clock.Seconds = 59;
        pace.Step("columns of q");
        clock.Seconds = 60;
        pace.Step("columns of k");
        Assert.Equal("block 5 of 80, 60 s so far: columns of k", Assert.Single(said));
    }

    [Fact]
    public void APreparationThatTakesLongIsToldAndNoPartOfTheBlocksPace()
    {
        List<string> said = [];
        HandClock clock = new();
        BlockPace pace = new(3, said.Add, clock);
        for (int step = 1; step <= 4; step++)
        {
            clock.Seconds += 4;
            pace.Prepare("sensitivity analysis", step, 4);
        }

        pace.Begin(0);
        clock.Seconds += 11;
        pace.End(0, 0, told: false);
        Assert.Equal(["sensitivity analysis: 3 of 4, 3 s left", "block 1 of 3: 11 s a block, 22 s left"], said);
    }

    [Fact]
    public void ShortRunsAreSilent()
    {
        List<string> said = [];
        HandClock clock = new();
        BlockPace pace = new(2, said.Add, clock);
        pace.Prepare("checking the model", 1, 2);
        pace.Begin(0);
        clock.Seconds = 9;
        pace.Step("columns of q");
        pace.End(0, 0, told: false);
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
