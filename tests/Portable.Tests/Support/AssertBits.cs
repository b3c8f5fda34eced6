using Xunit;

namespace Portable.Tests.Support;

/// <summary>Equality of floats as bits.</summary>
internal static class AssertBits
{
    public static void Equal(ReadOnlySpan<float> expected, ReadOnlySpan<float> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            if (BitConverter.SingleToInt32Bits(expected[i]) != BitConverter.SingleToInt32Bits(actual[i]))
            {
                Assert.Fail($"Element {i} of {expected.Length}: {expected[i]:R} expected, {actual[i]:R} found.");
            }
        }
    }

    public static void Equal(ReadOnlySpan<double> expected, ReadOnlySpan<double> actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (int i = 0; i < expected.Length; i++)
        {
            if (BitConverter.DoubleToInt64Bits(expected[i]) != BitConverter.DoubleToInt64Bits(actual[i]))
            {
                Assert.Fail($"Element {i} of {expected.Length}: {expected[i]:R} expected, {actual[i]:R} found.");
            }
        }
    }
}
