using Portable.Reference.Arithmetic;

namespace Portable.Tests.Arithmetic;

public class RotaryTableTests
{
    [Fact]
    public void ReproducibleMathIsTheRealMath()
    {
        Random random = new(3);
        for (int i = 0; i < 20000; i++)
        {
            double angle = (random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-10, 20));
            (double sine, double cosine) = ReproducibleMath.SineCosine(angle);
            Assert.InRange(Math.Abs(sine - Math.Sin(angle)), 0, 1e-12);
            Assert.InRange(Math.Abs(cosine - Math.Cos(angle)), 0, 1e-12);
            double x = (random.NextDouble() - 0.5) * 40, positive = (random.NextDouble() + 1e-3) * Math.Pow(2, random.Next(-20, 40));
            Assert.InRange(Math.Abs(ReproducibleMath.Exp(x) / Math.Exp(x) - 1), 0, 1e-14);
            Assert.InRange(Math.Abs(ReproducibleMath.Log(positive) - Math.Log(positive)), 0, 1e-13);
        }
    }

    [Theory]
    [InlineData(64, 10000.0)]
    [InlineData(80, 10000.0)]
    [InlineData(128, 500000.0)]
    [InlineData(2, 1000000.0)]
    public void TableIsCosineAndSineOfTheAngles(int headSize, double frequencyBase)
    {
        RotaryTable table = new(300, headSize, frequencyBase);
        Assert.Equal((300, headSize / 2), (table.Positions, table.Half));
        for (int position = 0; position < table.Positions; position += 13)
        {
            for (int i = 0; i < table.Half; i++)
            {
                double angle = position * Math.Pow(frequencyBase, -2.0 * i / headSize);
                Assert.InRange(Math.Abs(table.Cosine(position)[i] - Math.Cos(angle)), 0, 1e-7);
                Assert.InRange(Math.Abs(table.Sine(position)[i] - Math.Sin(angle)), 0, 1e-7);
            }
        }
    }

    /// <summary>Against the formula of Llama 3's reference code, written with wavelengths.</summary>
    [Fact]
    public void Llama3ScalingDividesLowFrequenciesAndKeepsHighOnes()
    {
        WavelengthRotaryScaling scaling = new(8, 1, 4, 8192);
        for (int i = 0; i < 64; i++)
        {
            double frequency = Math.Pow(500000, -i / 64.0), wavelength = 2 * Math.PI / frequency, expected;
            if (wavelength < 8192 / 4.0)
            {
                expected = frequency;
            }
            else if (wavelength > 8192 / 1.0)
            {
                expected = frequency / 8;
            }
            else
            {
                double smooth = (8192 / wavelength - 1) / (4 - 1);
                expected = (1 - smooth) * frequency / 8 + smooth * frequency;
            }

            Assert.InRange(scaling.Scale(frequency) / expected, 1 - 1e-12, 1 + 1e-12);
        }
    }

    [Fact]
    public void OddHeadSizesAreRefused() => Assert.Throws<ArgumentException>(() => new RotaryTable(4, 63, 10000));
}
