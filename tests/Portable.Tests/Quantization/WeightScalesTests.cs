using FsCheck.Xunit;
using Portable.Reference.BitPlanes;
using Portable.Reference.Quantization;
using Xunit;

namespace Portable.Tests.Quantization;

/// <summary>Scales as halves and packed zero points, against the platform's own halves and against plain division.</summary>
public class WeightScalesTests
{
    private const float Smallest = 1f / (1 << 24), Largest = 65504f / 1024;

    [Fact]
    public void EveryNormalHalfIsTheScaleThatTheFormatSays()
    {
        for (int half = 0; half <= ushort.MaxValue; half++)
        {
            Half value = BitConverter.UInt16BitsToHalf((ushort)half);
            bool normal = Half.IsNormal(value) && value > Half.Zero;
            Assert.Equal(normal, WeightScales.IsScale((ushort)half));
            if (normal)
            {
                Assert.Equal((float)value / 1024, WeightScales.FromHalf((ushort)half));
            }
        }

        Assert.Equal((Smallest, Largest), (WeightScales.FromHalf(0x0400), WeightScales.FromHalf(0x7BFF)));
    }

    [Property(MaxTest = 300)]
    public void TheNearestHalfIsWhatThePlatformRoundsTo(int seed)
    {
        Random random = new(seed);
        double scale = (1 + random.NextDouble()) * Math.ScaleB(1, random.Next(-30, 8));
        float rounded = WeightScales.Nearest(scale, ScaleFormat.Half), clamped = (float)Math.Clamp(scale, Smallest, 16384);
        Assert.Equal(clamped, WeightScales.Nearest(scale, ScaleFormat.Single));
        if (clamped <= Largest)
        {
            Assert.Equal((float)(Half)(clamped * 1024f) / 1024f, rounded);
        }

        Assert.InRange(rounded, clamped * (1 - 1 / 2048f), clamped * (1 + 1 / 2048f));
        Assert.InRange(rounded, Smallest, 16384);
    }

    [Fact]
    public void TiesGoToEvenAndTheEndsHold()
    {
        float step = 1f / 1024;
        Assert.Equal(1, WeightScales.Nearest(1 + step / 2, ScaleFormat.Half));
        Assert.Equal(1 + 2 * step, WeightScales.Nearest(1 + 1.5 * step, ScaleFormat.Half));
        Assert.Equal(2, WeightScales.Nearest(2 - step / 4, ScaleFormat.Half));
        Assert.Equal(Smallest, WeightScales.Nearest(0, ScaleFormat.Half));
        Assert.Equal(16384, WeightScales.Nearest(1e30, ScaleFormat.Half));
        Assert.Equal(16384, WeightScales.Nearest(double.PositiveInfinity, ScaleFormat.Half));
    }

    /// <summary>What halves hold is held as halves and comes back; one that they do not hold keeps all of them f32, as they were.</summary>
    [Property(MaxTest = 100)]
    public void AMatrixHasHalvesWhereTheyHoldAllOfIt(int seed, byte count, byte hostile)
    {
        Random random = new(seed);
        float[] scales = [.. Enumerable.Range(0, 1 + count).Select(_ => WeightScales.FromHalf((ushort)random.Next(0x0400, 0x7C00)))];
        float? other = (hostile % 5) switch { 0 => null, 1 => 64f, 2 => 16384f, 3 => MathF.BitIncrement(1f), _ => MathF.BitIncrement(Smallest) };
        if (other is { } value)
        {
            scales[random.Next(scales.Length)] = value;
        }

        WeightScales held = scales;
        Assert.Equal(other is null ? ScaleFormat.Half : ScaleFormat.Single, held.Format);
        Assert.Equal(scales, held);
        Assert.Equal(scales.Length * (other is null ? 2L : 4L), held.Bytes);
        for (int i = 0; i + 8 <= scales.Length; i++)
        {
            System.Runtime.Intrinsics.Vector256<float> eight = held.Eight(i);
            Assert.Equal(scales[i..(i + 8)], Enumerable.Range(0, 8).Select(lane => eight[lane]));
        }
    }

    [Property(MaxTest = 200)]
    public void ZeroPointsAreStringsOfFieldsThatEndAtWholeBytes(int seed, byte n, byte g, byte b)
    {
        int rows = 1 + n % 20, groups = 1 + g % 40, bits = 1 + b % 8;
        Random random = new(seed);
        byte[] values = [.. Enumerable.Range(0, rows * groups).Select(_ => (byte)random.Next(1 << bits))];
        ZeroPoints packed = ZeroPoints.Pack(values, rows, groups, bits);
        Assert.Equal(values, packed);
        Assert.Equal((groups * bits + 7) / 8, packed.RowBytes);
        Assert.Equal(rows * packed.RowBytes, packed.Bytes.Length);
        for (int i = 0; i < values.Length; i++)
        {
            int field = 0;
            for (int bit = 0; bit < bits; bit++)
            {
                int at = i % groups * bits + bit;
                field |= (packed.Bytes[i / groups * packed.RowBytes + at / 8] >> (at % 8) & 1) << bit;
            }

            Assert.Equal(values[i], field);
            Assert.Equal(values[i], packed[i / groups, i % groups]);
        }

        Assert.Equal(values, ZeroPoints.FromPacked(packed.Bytes, rows, groups, bits));
    }

    [Property(MaxTest = 300)]
    public void TheFirstRowWithAZeroPointAboveIsFound(int seed, byte n, byte g, byte b, byte most, bool spoilt)
    {
        int rows = 1 + n % 20, groups = 1 + g % 12, bits = 1 + b % 8, largest = most % (1 << bits), unused = -groups * bits & 7;
        Random random = new(seed);
        byte[] values = [.. Enumerable.Range(0, rows * groups).Select(_ => (byte)random.Next(random.Next(30) == 0 ? 1 << bits : largest + 1))];
        int expected = Array.FindIndex(values, v => v > largest) is var at and >= 0 ? at / groups : -1;
        byte[] bytes = ZeroPoints.Pack(values, rows, groups, bits).Bytes.ToArray();
        if (spoilt && unused > 0)
        {
            int row = random.Next(rows);
            bytes[((row + 1) * bytes.Length / rows) - 1] |= (byte)(1 << (8 - 1 - random.Next(unused)));
            expected = expected < 0 ? row : Math.Min(row, expected);
        }

        Assert.Equal(expected, ZeroPoints.FromPacked(bytes, rows, groups, bits).FirstRowAbove(largest));
    }

    [Fact]
    public void AZeroPointThatDoesNotFitIsRefused() => Assert.Throws<ArgumentException>(() => ZeroPoints.Pack([3, 8], 1, 2, 3));

    /// <summary>Codes are chosen for the scale that is stored: no other code is nearer to the weight, and the error is the real one.</summary>
    [Property(MaxTest = 60)]
    public void CodesAreNearestOnTheRoundedGrid(int seed, byte w, bool symmetric)
    {
        int bits = 2 + w % 7;
        Random random = new(seed);
        float magnitude = MathF.ScaleB(1, random.Next(-30, 12));
        float[] weights = [.. Enumerable.Range(0, 60).Select(_ => (float)(random.NextDouble() - 0.4) * magnitude)];
        WeightGrid grid = symmetric ? WeightGrid.Symmetric(weights, bits, ScaleFormat.Half) : WeightGrid.Asymmetric(weights, (1 << bits) - 1, ScaleFormat.Half);
        Assert.Equal(grid.Scale, WeightScales.Nearest(grid.Scale, ScaleFormat.Half));
        foreach (float v in weights)
        {
            double error = Math.Abs(v - grid.Decode(grid.Encode(v)));
            Assert.All(Enumerable.Range(grid.Minimum, grid.Maximum - grid.Minimum + 1), c => Assert.True(error <= Math.Abs(v - grid.Decode(c)) * (1 + 1e-9) + 1e-300));
        }
    }
}
