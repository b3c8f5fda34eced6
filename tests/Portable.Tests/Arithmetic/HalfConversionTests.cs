using FsCheck.Xunit;
using Portable.Reference.Arithmetic;

namespace Portable.Tests.Arithmetic;

public class HalfConversionTests
{
    private static readonly ushort[] All = [.. Enumerable.Range(0, 65536).Select(i => (ushort)i)];

    [Fact]
    public void EveryHalfConvertsExactly()
    {
        float[] actual = new float[All.Length];
        HalfConversion.ToSingle(All, actual);
        for (int i = 0; i < All.Length; i++)
        {
            float expected = (float)BitConverter.UInt16BitsToHalf(All[i]);
            Assert.True(float.IsNaN(expected) ? float.IsNaN(actual[i]) : BitConverter.SingleToInt32Bits(expected) == BitConverter.SingleToInt32Bits(actual[i]));
        }

        ushort[] finite = [.. All.Where(h => (h & 0x7C00) != 0x7C00)];
        HalfConversion.FiniteToSingle(finite, actual);
        Assert.Equal(AwkwardValues.Bits([.. finite.Select(h => (float)BitConverter.UInt16BitsToHalf(h))]), AwkwardValues.Bits(actual.AsSpan(0, finite.Length)));
    }

    [Fact]
    public void EveryBFloat16ConvertsExactly()
    {
        float[] actual = new float[All.Length];
        HalfConversion.BFloat16ToSingle(All, actual);
        Assert.Equal(All.Select(b => (uint)b << 16), AwkwardValues.Bits(actual));
    }

    /// <summary>Every finite half, the midpoint to the next one (a tie), and the floats next to both, either sign.</summary>
    [Fact]
    public void RoundingIsToNearestEvenAtEveryTie()
    {
        List<float> values = [];
        for (int bits = 0; bits < 0x7C00; bits++)
        {
            float half = (float)BitConverter.UInt16BitsToHalf((ushort)bits), next = bits == 0x7BFF ? 65536f : (float)BitConverter.UInt16BitsToHalf((ushort)(bits + 1));
            float tie = (half + next) / 2;
            values.AddRange([half, MathF.BitIncrement(half), MathF.BitDecrement(tie), tie, MathF.BitIncrement(tie)]);
        }

        float[] source = [.. values, .. values.Select(v => -v), float.MaxValue, float.PositiveInfinity, float.NegativeInfinity, 1e-40f, -1e-40f];
        ushort[] vector = new ushort[source.Length];
        HalfConversion.ToHalf(source, vector);
        for (int i = 0; i < source.Length; i++)
        {
            ushort expected = BitConverter.HalfToUInt16Bits((Half)Math.Clamp(source[i], -65504f, 65504f));
            if (expected != vector[i] || expected != HalfConversion.ToHalf(source[i]))
            {
                Assert.Fail($"{source[i]:R}: expected {expected:X4}, vector {vector[i]:X4}, scalar {HalfConversion.ToHalf(source[i]):X4}");
            }
        }
    }

    [Property(MaxTest = 60)]
    public void TablesOfEveryTypeConvertToCanonicalValuesForEveryLength(int seed, byte length)
    {
        float[] values = AwkwardValues.Create(length, seed, 80), actual = new float[length];
        byte[] single = new byte[4 * length], half = new byte[2 * length], brain = new byte[2 * length];
        for (int i = 0; i < length; i++)
        {
            BitConverter.TryWriteBytes(single.AsSpan(4 * i), values[i]);
            BitConverter.TryWriteBytes(half.AsSpan(2 * i), BitConverter.HalfToUInt16Bits((Half)Math.Clamp(values[i], -60000f, 60000f)));
            BitConverter.TryWriteBytes(brain.AsSpan(2 * i), (ushort)(BitConverter.SingleToUInt32Bits(values[i]) >> 16));
        }

        ElementConversion.ToSingle(single, ElementType.Float32, actual);
        Assert.Equal(AwkwardValues.Bits([.. values.Select(Contract.Canonical)]), AwkwardValues.Bits(actual));
        ElementConversion.ToSingle(half, ElementType.Float16, actual);
        Assert.Equal(AwkwardValues.Bits([.. values.Select(v => Contract.Canonical((float)(Half)Math.Clamp(v, -60000f, 60000f)))]), AwkwardValues.Bits(actual));
        ElementConversion.ToSingle(brain, ElementType.BFloat16, actual);
        Assert.Equal(AwkwardValues.Bits([.. values.Select(v => Contract.Canonical(BitConverter.UInt32BitsToSingle(BitConverter.SingleToUInt32Bits(v) & 0xFFFF0000)))]), AwkwardValues.Bits(actual));
        Assert.Throws<ArgumentException>(() => ElementConversion.ToSingle(new byte[3], ElementType.Float32, new float[1]));
    }
}
