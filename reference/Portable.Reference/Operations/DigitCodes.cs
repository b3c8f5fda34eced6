using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Portable.Reference.Arithmetic;

namespace Portable.Reference.Operations;

/// <summary>
/// Symmetric 16-bit codes of two signed 8-bit digits, x = 256·h + l with h in −127 … 127 and l in −128 … 127: queries, keys,
/// values and probabilities of a 16-bit cache. The bounds that every kernel relies on are stated here and proved in
/// docs/float-contract.md.
/// </summary>
internal static class DigitCodes
{
    /// <summary>The largest code, 256·127 + 127.</summary>
    public const int Maximum = 32639;

    /// <summary>
    /// The widest head: Σ x·l of a code and a low digit stays below 2^31 − 2^16 (512 · 32639 · 128 = 2,139,029,504), Σ h·h, Σ (h·l + l·h)
    /// and Σ l·l below 2^24.
    /// </summary>
    public const int MaximumHeadSize = 512;

    /// <summary>The longest context: sums of probability codes stay within the range of the reciprocal, 2^100, by far.</summary>
    public const int MaximumCapacity = 1 << 20;

    /// <summary>The low digit of a code.</summary>
    public static int Low(int code) => ((code + 128) & 255) - 128;

    /// <summary>The high digit of a code.</summary>
    public static int High(int code) => (code + 128) >> 8;

    /// <summary>s = clamp(max|x| · fl(1/32639), 2^-24, 2^14); code = clamp(round half even(x · 1/s), ±32639). Returns s.</summary>
    /// <param name="x">One head of one token.</param>
    /// <param name="codes">As many codes.</param>
    public static float Quantize(ReadOnlySpan<float> x, Span<int> codes) => ActivationRounding.Symmetric(x, -Maximum, Maximum, codes);

    /// <summary>The digits of codes, two to a 32-bit lane as int16 (the even code in the low half): high digits, then low digits, ⌈length / 2⌉ lanes each; a missing code is 0.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    internal static unsafe void StorePairs(ReadOnlySpan<int> codes, int* pairs)
    {
        int lanes = (codes.Length + 1) / 2;
        for (int i = 0; i < lanes; i++)
        {
            int even = codes[2 * i], odd = 2 * i + 1 < codes.Length ? codes[2 * i + 1] : 0;
            pairs[i] = (High(even) & 0xFFFF) | (High(odd) << 16);
            pairs[lanes + i] = (Low(even) & 0xFFFF) | (Low(odd) << 16);
        }
    }
}
