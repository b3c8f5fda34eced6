namespace Portable.Tokenizers.Files;

/// <summary>
/// A JSON number as the tokenizers package reads it (serde_json without its feature float_roundtrip): as many digits as 64
/// bits hold, times or divided by a power of ten, rounded twice. The last bit decides between cuts of equal score.
/// </summary>
internal static class SerdeNumber
{
    private const int LargestPower = 308;

    /// <summary>Reads a number, which is valid JSON.</summary>
    public static double Parse(ReadOnlySpan<byte> text)
    {
        bool negative = text[0] == '-', fraction = false, overflowed = false;
        ulong digits = 0;
        int exponent = 0, at = negative ? 1 : 0;
        for (; at < text.Length && text[at] is (>= (byte)'0' and <= (byte)'9') or (byte)'.'; at++)
        {
            if (text[at] == '.')
            {
                (fraction, overflowed) = (true, false);
                continue;
            }

            uint digit = (uint)(text[at] - '0');
            overflowed |= digits > (ulong.MaxValue - digit) / 10;
            if (!overflowed)
            {
                digits = (digits * 10) + digit;
                exponent -= fraction ? 1 : 0;
            }
            else if (!fraction)
            {
                exponent++;
            }
        }

        if (at < text.Length)
        {
            // What is too large for this is too large for a score: it becomes infinity or 0 below.
            int start = text[at + 1] is (byte)'+' or (byte)'-' ? at + 2 : at + 1, power = 0;
            foreach (byte digit in text[start..])
            {
                power = Math.Min((power * 10) + digit - '0', 100_000);
            }

            exponent += text[at + 1] == '-' ? -power : power;
        }

        double value = digits;
        while (exponent < -LargestPower && value != 0)
        {
            value /= 1e308;
            exponent += LargestPower;
        }

        value = exponent >= 0 ? value * Power(exponent) : value / Power(-exponent);
        return negative ? -value : value;
    }

    private static double Power(int exponent) => exponent <= LargestPower ? double.Parse($"1e{exponent}", System.Globalization.CultureInfo.InvariantCulture) : double.PositiveInfinity;
}
