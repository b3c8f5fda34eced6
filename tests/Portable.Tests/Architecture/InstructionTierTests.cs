using Portable.Cli.Devices;

namespace Portable.Tests.Architecture;

/// <summary>
/// A run of the suite that means to test one instruction tier says so in PORTABLE_EXPECT_TIER: the runtime ignores
/// switches that it does not know, and such a run would quietly test another tier twice.
/// </summary>
public sealed class InstructionTierTests
{
    [Fact]
    public void TheExpectedTierIsInUse()
    {
        string? expected = Environment.GetEnvironmentVariable("PORTABLE_EXPECT_TIER");
        string[] known = ["avx512", "avx2", "neon", "vector128", "scalar"];
        Assert.Contains(CpuTier.Name, string.IsNullOrEmpty(expected) ? known : [expected]);
    }

    [Theory]
    [InlineData("DOTNET_EnableAVX512")]
    [InlineData("DOTNET_EnableAVX2")]
    [InlineData("DOTNET_EnableHWIntrinsic")]
    public void TheTierIsBelowTheSwitchThatIsOff(string name)
    {
        string[] order = ["scalar", "vector128", "avx2", "avx512"];
        int highest = name switch { "DOTNET_EnableAVX512" => 2, "DOTNET_EnableAVX2" => 1, _ => 0 };
        if (Environment.GetEnvironmentVariable(name) == "0" && CpuTier.Name != "neon")
        {
            Assert.InRange(Array.IndexOf(order, CpuTier.Name), 0, highest);
        }
    }
}
