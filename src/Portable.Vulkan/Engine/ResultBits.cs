namespace Portable.Vulkan.Engine;

/// <summary>Results of a device beside those that are right, which are equal to the bit or wrong.</summary>
internal static class ResultBits
{
    /// <summary>How many differ.</summary>
    /// <param name="expected">The right ones.</param>
    /// <param name="actual">As many.</param>
    public static int Wrong(float[] expected, float[] actual) =>
        expected.Zip(actual).Count(v => BitConverter.SingleToInt32Bits(v.First) != BitConverter.SingleToInt32Bits(v.Second));
}
