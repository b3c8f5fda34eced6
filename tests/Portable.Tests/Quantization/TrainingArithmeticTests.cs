using Portable.Quantization;
using Portable.Quantization.Runs;
using Portable.Reference.Quantization;
using Xunit;

namespace Portable.Tests.Quantization;

/// <summary>What methods that train compute in: said where the device chooses it, refused where the device has it not.</summary>
public sealed class TrainingArithmeticTests
{
    private static readonly QuantizationScheme Scheme = QuantizationScheme.Parse("W4A8");

    [Theory]
    [InlineData("abq")]
    [InlineData("omniquant")]
    public void WhatAutoSettlesOnIsSaidWithItsReason(string method)
    {
        List<string> said = [];
        MethodOptions settled = QuantizationMethods.Find(method).Settle(Options("auto"), Scheme, null, said.Add);
        Assert.Equal("f32", settled.Named.GetValueOrDefault("arithmetic", "f32"));
        Assert.Equal(["arithmetic: f32, the only one that the device has"], said);
    }

    [Fact]
    public void WhatIsNamedIsNotSaidAgainAndWhatTheDeviceLacksIsRefused()
    {
        IQuantizationMethod method = QuantizationMethods.Find("abq");
        Assert.Equal("f32", method.Settle(Options("f32"), Scheme, null, message => Assert.Fail(message)).Named.GetValueOrDefault("arithmetic", "f32"));
        Assert.Contains("the CPU has f32", Assert.Throws<MethodUsageException>(() => method.Settle(Options("f16x3"), Scheme, null, _ => { })).Message, StringComparison.Ordinal);
    }

    private static MethodOptions Options(string arithmetic) => new() { Named = new Dictionary<string, string> { ["arithmetic"] = arithmetic } };
}
