using FsCheck.Xunit;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Xunit;

namespace Portable.Tests.Quantization;

public class RoundToNearestTests
{
    [Property(MaxTest = 60)]
    public void CodesScalesAndZeroPointsAreTheScalarDefinition(int seed, byte w, byte k, byte g, bool balanced)
    {
        int columns = 1 + k % 200, group = g % 70, rows = 3;
        QuantizationScheme scheme = new(balanced ? 2 : 1 + w % 8, 8, group, 16, balanced);
        Random random = new(seed);
        float[] weights = [.. Enumerable.Range(0, rows * columns).Select(_ => (float)(random.NextDouble() - 0.4))];
        QuantizedLinear linear = RoundToNearest.Quantize(weights, rows, columns, null, scheme);
        short[] codes = new short[weights.Length];
        BitPacking.Unpack(linear.Weights, codes);
        int size = group == 0 || group > columns ? columns : group, groups = (columns + size - 1) / size;
        int largest = balanced ? 4 : (1 << scheme.WeightBits) - 1;
        for (int n = 0; n < rows; n++)
        {
            for (int c = 0; c < groups; c++)
            {
                float[] part = weights[(n * columns + c * size)..(n * columns + Math.Min(columns, (c + 1) * size))];
                double lo = Math.Min(0, part.Min()), hi = Math.Max(0, part.Max());
                float scale = (float)((hi - lo) / largest);
                int zero = (int)Math.Round(-lo / scale);
                Assert.Equal(scale, linear.Scales[n * groups + c]);
                Assert.Equal(zero, linear.ZeroPoints?[n * groups + c] ?? 0);
                for (int i = 0; i < part.Length; i++)
                {
                    int expected = Math.Clamp((int)Math.Round((double)part[i] / scale) + zero, 0, largest);
                    Assert.Equal(expected, codes[n * columns + c * size + i]);
                }
            }
        }
    }

    [Fact]
    public void CoarserGranularitiesRepeatOneGrid()
    {
        float[] weights = [1f, -2f, 3f, 4f, 0.5f, -0.25f, 0.75f, 8f];
        GroupLayout layout = new(4, 2);
        WeightGrid Find(float[] v) => WeightGrid.Symmetric(v, 4);
        Assert.All(WeightCodes.FindGrids(weights, 2, layout, WeightGranularity.Tensor, Find), grid => Assert.Equal(8f / 7, grid.Scale));
        Assert.Equal([4f / 7, 4f / 7, 8f / 7, 8f / 7], WeightCodes.FindGrids(weights, 2, layout, WeightGranularity.Channel, Find).Select(x => x.Scale));
        Assert.Equal([2f / 7, 4f / 7, 0.5f / 7, 8f / 7], WeightCodes.FindGrids(weights, 2, layout, WeightGranularity.Group, Find).Select(x => x.Scale));
    }

    [Fact]
    public void DecodingGivesBackWhatIsOnTheGrid()
    {
        float[] weights = [-1f, 0f, 0.5f, 1f];
        WeightCodes codes = new(1, new GroupLayout(4), new CodeFormat(3, signed: false), [new WeightGrid(0.5f, 2, 0, 4)]);
        codes.Round(weights);
        Assert.Equal(new short[] { 0, 2, 3, 4 }, codes.Codes);
        Assert.Equal(weights, codes.Decode());
    }
}
