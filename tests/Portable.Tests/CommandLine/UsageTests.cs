using Portable.Tests.Support;

namespace Portable.Tests.CommandLine;

/// <summary>Exit codes and streams of the command-line contract.</summary>
public sealed class UsageTests
{
    [Theory]
    [InlineData("no-such-verb")]
    [InlineData("devices", "--no-such-option")]
    [InlineData("devices", "stray")]
    public void BadUsageIsTwoAndOneLine(params string[] args)
    {
        ToolRun run = ToolRun.Here(args);
        Assert.Equal(2, run.Code);
        Assert.Empty(run.Output);
        Assert.Single(run.ErrorLines);
    }

    [Fact]
    public void EveryVerbHasHelpWithExamples()
    {
        ToolRun root = ToolRun.Here("--help");
        Assert.Equal(0, root.Code);
        foreach (string verb in new[] { "devices" })
        {
            ToolRun help = ToolRun.Here([.. verb.Split(' '), "--help"]);
            Assert.Equal(0, help.Code);
            Assert.Contains("Examples:", help.Output);
            Assert.Contains($"portable {verb}", help.Output);
            Assert.Contains(verb.Split(' ')[0], root.Output);
        }
    }

    [Fact]
    public void DevicesNamesTheTierInJson()
    {
        var json = ToolRun.Here("devices", "--json").Json();
        Assert.Equal(Cli.Devices.CpuTier.Name, json.GetProperty("tier").GetString());
        Assert.Equal("cpu", json.GetProperty("devices")[0].GetProperty("name").GetString());
        Assert.True(json.GetProperty("devices")[0].GetProperty("usable").GetBoolean());
    }

    [Fact]
    public void FourSettingsGiveDistinctTiersInRealProcesses()
    {
        string[] settings = ["", "DOTNET_EnableAVX512=0", "DOTNET_EnableAVX2=0", "DOTNET_EnableHWIntrinsic=0"];
        string[] switches = ["DOTNET_EnableAVX512=1", "DOTNET_EnableAVX2=1", "DOTNET_EnableHWIntrinsic=1"];
        string[] tiers = [.. settings.AsParallel().AsOrdered().Select(s =>
            ToolRun.Process(s.Length > 0 ? [.. switches, s] : switches, "devices", "--json").Json().GetProperty("tier").GetString()!)];
        int widest = tiers.Distinct().Count();
        Assert.True(tiers[0] == "neon" || widest == (tiers[0] == "avx512" ? 4 : 3), string.Join(' ', tiers));
        Assert.Equal("scalar", tiers[3]);
    }
}
