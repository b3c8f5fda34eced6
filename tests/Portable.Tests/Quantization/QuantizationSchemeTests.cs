using FsCheck.Xunit;
using Portable.Reference.Quantization;
using Xunit;

namespace Portable.Tests.Quantization;

public class QuantizationSchemeTests
{
    [Property]
    public void PrintingAndParsingAreInverse(byte w, byte a, ushort g, byte kv, bool balanced, byte h, byte own)
    {
        int weight = balanced ? 2 : 1 + w % 8;
        int activation = a % 9 == 8 ? 16 : 1 + a % 9;
        int keyValue = kv % 8 == 0 ? 16 : 1 + kv % 8, head = h % 8 == 0 ? 16 : 1 + h % 8;
        int group = activation == 16 ? 0 : own % 4 == 0 ? 0 : g == 0 ? own : own % 2 == 0 ? g * own : g % own == 0 ? g / own : g;
        QuantizationScheme scheme = new(weight, activation, g, keyValue, balanced, head, group);
        string text = scheme.ToString();
        Assert.Equal(scheme, QuantizationScheme.Parse(text));
        Assert.Equal(text, QuantizationScheme.Parse(text).ToString());
    }

    [Theory]
    [InlineData("W4A8", 4, 8, 0, 16, false)]
    [InlineData("W6A6g128", 6, 6, 128, 16, false)]
    [InlineData("W2*A8KV8", 2, 8, 0, 8, true)]
    [InlineData("W4A16", 4, 16, 0, 16, false)]
    [InlineData("W1A1g7KV2", 1, 1, 7, 2, false)]
    [InlineData("W4A8H8", 4, 8, 0, 16, false, 8)]
    [InlineData("W2*A8g64KV8H4", 2, 8, 64, 8, true, 4)]
    [InlineData("W8A8a128", 8, 8, 0, 16, false, 16, 128)]
    [InlineData("W4A8g128a128", 4, 8, 128, 16, false, 16, 128)]
    [InlineData("W4A8g32a128KV4", 4, 8, 32, 4, false, 16, 128)]
    [InlineData("W2*A8g64a32KV8H4", 2, 8, 64, 8, true, 4, 32)]
    public void ReadsTheGrammar(string text, int w, int a, int g, int kv, bool balanced, int h = 16, int own = 0)
    {
        QuantizationScheme scheme = QuantizationScheme.Parse(text);
        Assert.Equal(new QuantizationScheme(w, a, g, kv, balanced, h, own), scheme);
        Assert.Equal(text, scheme.ToString());
    }

    [Theory]
    [InlineData("")]
    [InlineData("W4")]
    [InlineData("w4a8")]
    [InlineData("W0A8")]
    [InlineData("W9A8")]
    [InlineData("W4A9")]
    [InlineData("W4A0")]
    [InlineData("W4A15")]
    [InlineData("W4A8KV1")]
    [InlineData("W4A8KV9")]
    [InlineData("W4A8H1")]
    [InlineData("W4A8H9")]
    [InlineData("W4A8H15")]
    [InlineData("W4A8H")]
    [InlineData("W4A8H8KV8")]
    [InlineData("W4A8g0")]
    [InlineData("W4A8g-1")]
    [InlineData("W4A8a0")]
    [InlineData("W4A8a")]
    [InlineData("W4A8a128g128")]
    [InlineData("W4A8KV8a128")]
    [InlineData("W4A8g128a96")]
    [InlineData("W4A8g96a64")]
    [InlineData("W4A16a128")]
    [InlineData("W4A16g128a128")]
    [InlineData("W4A8a99999999999")]
    [InlineData("W3*A8")]
    [InlineData("W4A8 ")]
    [InlineData("W4A8\n")]
    [InlineData("W99999999999999A8")]
    [InlineData("W4A8g99999999999")]
    public void RefusesEverythingElseWithTheTextInTheMessage(string text)
    {
        FormatException e = Assert.Throws<FormatException>(() => QuantizationScheme.Parse(text));
        Assert.Contains($"'{text}'", e.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void OneBitIsRefusedOnlyWhereAQuantizerIsSymmetric()
    {
        QuantizationScheme scheme = QuantizationScheme.Parse("W1A8");
        scheme.RequireSymmetric(weights: false, activations: true);
        Assert.Throws<FormatException>(() => scheme.RequireSymmetric(weights: true, activations: true));
        Assert.Throws<FormatException>(() => QuantizationScheme.Parse("W4A1").RequireSymmetric(weights: false, activations: true));
    }

    [Fact]
    public void ALayerHasNeitherCacheNorHead()
    {
        QuantizationScheme scheme = QuantizationScheme.Parse("W2*A8g64KV8H4");
        Assert.Equal("W2*A8g64", scheme.Layer.ToString());
        Assert.Equal("W4A8", scheme.Table!.ToString());
        Assert.Equal("W2*A6g64KV8H4", scheme.WithActivationBits(6).ToString());
        Assert.Equal("W4A8g128a64", QuantizationScheme.Parse("W4A8g128a64KV8H4").Layer.ToString());
        Assert.Equal("W4A6a64KV8H4", QuantizationScheme.Parse("W4A8a64KV8H4").WithActivationBits(6).ToString());
        Assert.Null(QuantizationScheme.Parse("W4A8H16").Table);
        Assert.Equal("W4A8", QuantizationScheme.Parse("W4A8H16").ToString());
    }
}
