using System.Globalization;
using System.Text;
using System.Text.RegularExpressions;
using Portable.Reference.BitPlanes;

namespace Portable.Reference.Quantization;

/// <summary>
/// The widths of a quantized layer or model: <c>W&lt;1-8&gt;[*]A&lt;1-8|16&gt;[g&lt;K-group&gt;][a&lt;K-group&gt;][KV&lt;2-8|16&gt;][H&lt;2-8|16&gt;]</c>, for example
/// W4A8, W6A6g128, W4A8g128a128, W2*A8KV8, W4A16, W4A8H8. Parse and print are inverse; the defaults KV16 and H16 are not printed.
/// </summary>
public sealed partial record QuantizationScheme
{
    /// <summary>Creates a scheme.</summary>
    /// <param name="weightBits">Bits of a weight, 1…8.</param>
    /// <param name="activationBits">Bits of an activation, 1…8 or 16.</param>
    /// <param name="groupSize">Columns of K that share a weight scale, or 0 for the whole row.</param>
    /// <param name="keyValueBits">Bits of the integer codes in the KV cache: 2…8, or 16.</param>
    /// <param name="balanced">Five-level 2-bit weights, codes 0…4 (W2*, the bit balance of ABQ-LLM).</param>
    /// <param name="headBits">Bits of embedding and head: 2…8, or 16 for the checkpoint's own floats.</param>
    /// <param name="activationGroupSize">Columns of K that share a scale of an activation, or 0 for the whole token (or whatever the method has).</param>
    /// <exception cref="FormatException">A width is outside its range, <paramref name="balanced"/> with other than 2 bits, or groups of which neither divides the other.</exception>
    public QuantizationScheme(int weightBits, int activationBits, int groupSize = 0, int keyValueBits = 16, bool balanced = false, int headBits = 16, int activationGroupSize = 0)
    {
        if (weightBits is < 1 or > 8)
        {
            throw new FormatException($"Weights have 1 to 8 bits, not {weightBits}.");
        }

        if (activationBits is (< 1 or > 8) and not 16)
        {
            throw new FormatException($"Activations have 1 to 8 bits, or 16, not {activationBits}.");
        }

        if (keyValueBits is (< 2 or > 8) and not 16)
        {
            throw new FormatException($"The KV cache has 2 to 8 bits, or 16, not {keyValueBits}.");
        }

        if (headBits is (< 2 or > 8) and not 16)
        {
            throw new FormatException($"Embedding and head have 2 to 8 bits, or 16, not {headBits}.");
        }

        if (groupSize < 0 || activationGroupSize < 0)
        {
            throw new FormatException($"A group has at least 1 column, not {Math.Min(groupSize, activationGroupSize)}.");
        }

        if (activationGroupSize != 0 && activationBits == 16)
        {
            throw new FormatException("A16 has one scale a token: its 16 bits gain nothing from groups.");
        }

        if (groupSize != 0 && activationGroupSize != 0 && groupSize % activationGroupSize != 0 && activationGroupSize % groupSize != 0)
        {
            throw new FormatException($"Groups of {groupSize} (g) and of {activationGroupSize} (a) share no borders: one must divide the other.");
        }

        if (balanced && weightBits != 2)
        {
            throw new FormatException($"'*' (five balanced levels) goes with W2 only, not W{weightBits}.");
        }

        (WeightBits, ActivationBits, GroupSize, KeyValueBits, Balanced, HeadBits) = (weightBits, activationBits, groupSize, keyValueBits, balanced, headBits);
        ActivationGroupSize = activationGroupSize;
    }

    /// <summary>Bits of a weight, 1…8; 2 where <see cref="Balanced"/>.</summary>
    public int WeightBits { get; }

    /// <summary>Bits of an activation, 1…8 or 16.</summary>
    public int ActivationBits { get; }

    /// <summary>Columns of K that share a weight scale; 0 = the whole row.</summary>
    public int GroupSize { get; }

    /// <summary>Columns of K that share a scale of an activation; 0 = the whole token, or whatever the method has (FlexQ: the weights' groups).</summary>
    public int ActivationGroupSize { get; }

    /// <summary>Bits of the KV cache, 2…8 or 16.</summary>
    public int KeyValueBits { get; }

    /// <summary>W2*: five weight levels, codes 0…4.</summary>
    public bool Balanced { get; }

    /// <summary>Bits of embedding and head, 2…8; 16: they keep the checkpoint's element type.</summary>
    public int HeadBits { get; }

    /// <summary>The largest unsigned weight code: 2^b − 1, or 4 for W2*.</summary>
    public int LargestWeightCode => Balanced ? 4 : (1 << WeightBits) - 1;

    /// <summary>The scheme of one layer of a model that has this scheme: the same without the KV and H parts.</summary>
    public QuantizationScheme Layer => (KeyValueBits, HeadBits) == (16, 16) ? this : new QuantizationScheme(WeightBits, ActivationBits, GroupSize, 16, Balanced, 16, ActivationGroupSize);

    /// <summary>The scheme of embedding and head as layers of their own, W&lt;H&gt;A8; null where they stay floats.</summary>
    public QuantizationScheme? Table => HeadBits == 16 ? null : new QuantizationScheme(HeadBits, 8);

    /// <summary>Format of asymmetric weight codes in memory: unsigned; three planes for the five levels of W2*.</summary>
    public CodeFormat WeightFormat => new(Balanced ? 3 : WeightBits, signed: false);

    /// <summary>This scheme with another activation width.</summary>
    public QuantizationScheme WithActivationBits(int bits) => new(WeightBits, bits, GroupSize, KeyValueBits, Balanced, HeadBits, ActivationGroupSize);

    /// <summary>How K columns are cut under this scheme: at the borders of the finer of weights' and activations' groups.</summary>
    /// <param name="columns">K.</param>
    public GroupLayout Layout(int columns) => GroupLayout.Cut(columns, GroupSize, ActivationGroupSize);

    /// <summary>Reads a scheme.</summary>
    /// <param name="text">Exactly the grammar above, capital letters as shown.</param>
    /// <exception cref="FormatException">Not the grammar, or a width outside its range; the message says what is allowed.</exception>
    public static QuantizationScheme Parse(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        Match match = Grammar().Match(text);
        if (!match.Success)
        {
            throw new FormatException($"'{text}' is not a scheme: expected W<1-8>[*]A<1-8|16>[g<group>][a<group>][KV<2-8|16>][H<2-8|16>], for example W4A8, W6A6g128, W4A8g128a128 or W4A8KV8H8.");
        }

        try
        {
            int Group(string name) => !match.Groups[name].Success ? 0
                : Number(match, name) is var size and > 0 ? size : throw new FormatException("A group has at least 1 column, not 0.");
            int Optional(string name) => match.Groups[name].Success ? Number(match, name) : 16;
            return new QuantizationScheme(Number(match, "w"), Number(match, "x"), Group("g"), Optional("kv"), match.Groups["star"].Success, Optional("h"), Group("a"));
        }
        catch (FormatException e)
        {
            throw new FormatException($"Scheme '{text}': {e.Message}");
        }
    }

    /// <summary>
    /// Refuses 1-bit operands where a quantizer is symmetric: two's complement of one bit is {−1, 0} and has no positive level.
    /// </summary>
    /// <exception cref="FormatException">A symmetric operand has one bit.</exception>
    public void RequireSymmetric(bool weights, bool activations)
    {
        if (weights && WeightBits == 1)
        {
            throw new FormatException($"Scheme '{this}': symmetric 1-bit weights have no positive level; use W2 or wider, or a method with asymmetric weights.");
        }

        if (activations && ActivationBits == 1)
        {
            throw new FormatException($"Scheme '{this}': symmetric 1-bit activations have no positive level; use A2 or wider, or a method with asymmetric activations.");
        }
    }

    /// <summary>Refuses groups of activations that would cut the weights' codes within a byte of the file: every group begins at a whole one.</summary>
    /// <exception cref="FormatException">Activations have groups of their own, finer than the weights', of a number of columns that 8 does not divide.</exception>
    internal void RequireWholeBytes()
    {
        if (ActivationGroupSize % 8 != 0 && (GroupSize == 0 || ActivationGroupSize < GroupSize))
        {
            throw new FormatException($"Scheme '{this}': groups of {ActivationGroupSize} activations would pad the weights to whole bytes; a is a multiple of 8.");
        }
    }

    /// <summary>The text that <see cref="Parse"/> reads.</summary>
    public override string ToString()
    {
        StringBuilder text = new();
        text.Append(CultureInfo.InvariantCulture, $"W{WeightBits}").Append(Balanced ? "*" : "").Append(CultureInfo.InvariantCulture, $"A{ActivationBits}");
        if (GroupSize != 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"g{GroupSize}");
        }

        if (ActivationGroupSize != 0)
        {
            text.Append(CultureInfo.InvariantCulture, $"a{ActivationGroupSize}");
        }

        if (KeyValueBits != 16)
        {
            text.Append(CultureInfo.InvariantCulture, $"KV{KeyValueBits}");
        }

        if (HeadBits != 16)
        {
            text.Append(CultureInfo.InvariantCulture, $"H{HeadBits}");
        }

        return text.ToString();
    }

    private static int Number(Match match, string name) =>
        int.TryParse(match.Groups[name].ValueSpan, NumberStyles.None, CultureInfo.InvariantCulture, out int value)
            ? value
            : throw new FormatException($"{match.Groups[name].Value} is too large.");

    [GeneratedRegex(@"\AW(?<w>[0-9]+)(?<star>\*)?A(?<x>[0-9]+)(g(?<g>[0-9]+))?(a(?<a>[0-9]+))?(KV(?<kv>[0-9]+))?(H(?<h>[0-9]+))?\z", RegexOptions.ExplicitCapture | RegexOptions.CultureInvariant)]
    private static partial Regex Grammar();
}
