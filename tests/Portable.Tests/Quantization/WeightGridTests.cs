using FsCheck.Xunit;
using Portable.Reference.Quantization;
using Xunit;

namespace Portable.Tests.Quantization;

public class WeightGridTests
{
    [Property]
    public void EveryValueIsWithinHalfAStepAndNoOtherCodeIsNearer(int seed, byte bits, bool symmetric)
    {
        int b = (symmetric ? 2 : 1) + bits % (symmetric ? 7 : 8);
        float[] values = Values(seed, 40);
        WeightGrid grid = symmetric ? WeightGrid.Symmetric(values, b) : WeightGrid.Asymmetric(values, (1 << b) - 1);
        foreach (float v in values)
        {
            int code = grid.Encode(v);
            double error = Math.Abs(v - grid.Decode(code));
            for (int other = grid.Minimum; other <= grid.Maximum; other++)
            {
                Assert.True(error <= Math.Abs(v - grid.Decode(other)) * (1 + 1e-9) + 1e-12);
            }

            // An asymmetric grid's zero point is itself rounded, which can cost its end values half a step more.
            Assert.True(error <= grid.Scale * (symmetric ? 0.5001 : 1.0001));
        }
    }

    [Property]
    public void ZeroIsExact(int seed, byte bits)
    {
        WeightGrid grid = WeightGrid.Asymmetric(Values(seed, 9), (1 << (1 + bits % 8)) - 1);
        Assert.InRange(grid.ZeroPoint, 0, grid.Maximum);
        Assert.Equal(0, grid.Decode(grid.Encode(0)));
    }

    [Fact]
    public void RangesIncludeZeroAndBalancedCodesEndAtFour()
    {
        Assert.Equal(new WeightGrid(1f, 0, 0, 4), WeightGrid.Asymmetric([2f, 4f], 4));
        Assert.Equal(new WeightGrid(1f, 4, 0, 4), WeightGrid.Asymmetric([-4f, -1f], 4));
        Assert.Equal(new WeightGrid(1f, 2, 0, 4), WeightGrid.Asymmetric([-2f, 2f], 4));
    }

    [Fact]
    public void ScalesStayInTheContractsRange()
    {
        Assert.Equal(Reference.Arithmetic.Contract.MinimumScale, WeightGrid.Symmetric([0f, 0f], 6).Scale);
        Assert.Equal(Reference.Arithmetic.Contract.MaximumScale, WeightGrid.Asymmetric([0f, 1e30f], 255).Scale);
    }

    [Theory]
    [InlineData(0.5, 0, 1)]
    [InlineData(-0.5, 0, -1)]
    [InlineData(1.5, 2, 2)]
    [InlineData(2.5, 2, 3)]
    [InlineData(-2.5, -2, -3)]
    [InlineData(7.49, 7, 7)]
    [InlineData(99.0, 7, 7)]
    [InlineData(-99.0, -8, -8)]
    public void TiesGoToEvenOrAway(double value, int even, int away)
    {
        WeightGrid grid = new(1f, 0, -8, 7);
        Assert.Equal(even, grid.Encode(value));
        Assert.Equal(away, grid.Encode(value, Rounding.HalfAway));
    }

    private static float[] Values(int seed, int count)
    {
        Random random = new(seed);
        float scale = MathF.Pow(10, random.Next(-3, 3));
        return Enumerable.Range(0, count).Select(_ => (float)(random.NextDouble() * 2 - 1 + random.Next(-1, 2)) * scale).ToArray();
    }
}
