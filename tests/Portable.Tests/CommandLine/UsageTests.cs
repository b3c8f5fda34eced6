using System.CommandLine;
using Portable.Cli;
using Portable.Cli.CommandLine;
using Portable.Tests.Support;

namespace Portable.Tests.CommandLine;

/// <summary>Exit codes and streams of the command-line contract.</summary>
public sealed class UsageTests
{
    [Theory]
    [InlineData("no-such-verb")]
    [InlineData("devices", "--no-such-option")]
    [InlineData("devices", "stray")]
    [InlineData("devices", "--threads", "0")]
    [InlineData("--threads", "-1")]
    [InlineData("devices", "--threads", "99999")]
    [InlineData("logits")]
    [InlineData("logits", "model", "--ids", "1,x")]
    [InlineData("logits", "model", "--ids", "1", "--device", "gpu")]
    [InlineData("logits", "model", "--ids", "1", "--chunk", "-1")]
    [InlineData("perplexity", "model")]
    [InlineData("perplexity", "model", "--text", "file", "--context", "1")]
    [InlineData("generate", "model", "--prompt", "a", "--top-p", "2")]
    [InlineData("quantize", "model", "--method", "gptq", "--scheme", "W4A8", "--output", "out")]
    [InlineData("quantize", "model", "--method", "no-such-method", "--scheme", "W4A8", "--output", "out")]
    [InlineData("quantize", "model", "--method", "rtn", "--scheme", "W0A8", "--output", "out")]
    [InlineData("bench", "matmul", "--shapes", "1x2")]
    [InlineData("bench", "matmul", "--schemes", "W4")]
    [InlineData("bench", "matmul", "--schemes", "W4A16KV8")]
    [InlineData("bench", "matmul", "--schemes", "W4A8H8")]
    [InlineData("bench", "tune", "--scheme", "W4A8")]
    [InlineData("bench", "pipelines", "--schemes", "W4A8,W9A8")]
    [InlineData("verify", "--device", "gpu")]
    [InlineData("bench", "model", "--shape", "no-such-shape", "--scheme", "W4A8")]
    [InlineData("bench", "model", "--shape", "llama-7b", "--scheme", "W9A8")]
    [InlineData("bench", "quantize", "--shape", "small-llama", "--method", "abq", "--scheme", "W4A8", "--arithmetic", "f8", "--samples", "1", "--context", "8", "--blocks", "1")]
    [InlineData("bench", "quantize", "--shape", "small-llama", "--method", "gptq", "--scheme", "W4A16g32", "--grid", "no-such-grid", "--samples", "1", "--context", "8", "--blocks", "1")]
    [InlineData("bench", "quantize", "--shape", "small-llama", "--method", "flexq", "--scheme", "W4A8", "--samples", "1", "--context", "8", "--blocks", "1")]
    public void BadUsageIsTwoAndOneLine(params string[] args)
    {
        ToolRun run = ToolRun.Here(args);
        Assert.Equal(2, run.Code);
        Assert.Empty(run.Output);
        Assert.Single(run.ErrorLines);
    }

    [Theory]
    [InlineData("the model needs", "bench", "model", "--shape", "small-llama", "--scheme", "W8A8", "--context", "8", "--batch", "10000000")]
    [InlineData("the model needs", "bench", "serve", "--shape", "small-llama", "--scheme", "W8A8", "--streams", "10000000")]
    [InlineData("a size is larger than this program can count", "bench", "matmul", "--shapes", "1x100000000x100000000")]
    public void WhatNoMachineHoldsIsRefusedBeforeAnyOfItIsMade(string says, params string[] args)
    {
        ToolRun run = ToolRun.Here(args);
        Assert.Equal(1, run.Code);
        Assert.Contains(says, Assert.Single(run.ErrorLines), StringComparison.Ordinal);
    }

    /// <summary>What a verb writes at its end has a place, or nothing is begun.</summary>
    [SkippableTheory]
    [InlineData("/nope/r.json", "cannot be written: its directory does not exist")]
    [InlineData("/proc/r.json", "cannot be written: its directory takes no files")]
    [InlineData("/tmp", "a directory, not a file to write")]
    public void AFileThatCannotBeWrittenIsToldBeforeTheWork(string file, string says)
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "Paths of Linux.");
        foreach (string[] line in (string[][])[["verify", "--report", file], ["compare", "/nowhere", "/nowhere", "--text", "/nowhere", "--report", file], ["bench", "tune", "--device", "cpu", "--export", file]])
        {
            ToolRun run = ToolRun.Here(line);
            Assert.Equal((1, $"error: {file}: {says}"), (run.Code, Assert.Single(run.ErrorLines)));
        }
    }

    [Fact]
    public void EveryOptionThatNamesAFileToWriteIsCheckedBefore()
    {
        Command root = CommandTree.Create(CommandTree.CreateJsonOption(), CommandTree.CreateThreadsOption());
        PathOption[] written = [.. Below(root).SelectMany(c => c.Options).OfType<PathOption>().Where(o => o.Description!.Contains("write ", StringComparison.OrdinalIgnoreCase))];
        Assert.Equal(["--export", "--report", "--report"], written.Select(o => o.Name).Order(StringComparer.Ordinal));
        Assert.All(written, o => Assert.True(o.IsWritten, o.Name));

        static IEnumerable<Command> Below(Command command) => command.Subcommands.SelectMany(Below).Prepend(command);
    }

    [Fact]
    public void ATextMayComeFromStandardInput()
    {
        string text = string.Join(' ', Enumerable.Repeat("the little house by the sea", 40)), file = Path.GetTempFileName();
        File.WriteAllText(file, text);
        double nll = ToolRun.Here("perplexity", DemoModel.Directory, "--text", file, "--context", "32", "--json").Json().GetProperty("nll").GetDouble();
        Assert.Equal(nll, ToolRun.WithInput(text, "perplexity", DemoModel.Directory, "--text", "-", "--context", "32", "--json").Json().GetProperty("nll").GetDouble());
        Assert.Contains("standard input: the text is empty", ToolRun.WithInput("", "perplexity", DemoModel.Directory, "--text", "-").Error, StringComparison.Ordinal);
        File.Delete(file);
    }

    [Fact]
    public void TheCpuIsNoAdviceWhereAGpuIsNeeded()
    {
        Portable.Vulkan.Instances.VulkanException none = Assert.Throws<Portable.Vulkan.Instances.VulkanException>(() => Portable.Vulkan.Devices.VulkanDevices.Select([], "none", wanted: null));
        Assert.Equal("No Vulkan device: none. --device cpu always works.", Portable.Cli.Output.ErrorLine.Of(none));
        Assert.Equal("No Vulkan device: none.", Portable.Cli.Output.ErrorLine.Of(none, cpu: false));
        Assert.Equal("out of memory", Portable.Cli.Output.ErrorLine.Of(new OutOfMemoryException()));
    }

    [Fact]
    public void TimesOfAVerificationAreToldWhereTheyAreAskedFor()
    {
        Assert.DoesNotContain("times", ToolRun.Here("verify", "--every", "3000", "--json").Output, StringComparison.Ordinal);
        Assert.Contains("\"times\":{\"opening_seconds\":", ToolRun.Here("verify", "--every", "3000", "--times", "--json").Output, StringComparison.Ordinal);
        Assert.Contains("cpu: cases", ToolRun.Here("verify", "--every", "3000", "--times").Output, StringComparison.Ordinal);
    }

    [Fact]
    public void ABenchOfAMethodTakesItsOptions()
    {
        ToolRun run = ToolRun.Here("bench", "quantize", "--shape", "small-llama", "--method", "gptq", "--scheme", "W4A16g32", "--grid", "minmax", "--samples", "1", "--context", "8", "--blocks", "1", "--json");
        Assert.Equal(0, run.Code);
        Assert.Contains("\"method\":\"gptq\"", run.Output, StringComparison.Ordinal);
        Assert.Contains("--grid", ToolRun.Here("bench", "quantize", "--method", "gptq", "--help").Output, StringComparison.Ordinal);
    }

    private static readonly string[] Names =
    [
        "devices", "verify", "quantize", "perplexity", "generate", "logits", "inspect", "bench matmul", "bench model", "bench tune",
    ];

    public static TheoryData<string> Verbs => new(Names);

    [Theory]
    [MemberData(nameof(Verbs))]
    public void EveryVerbHasHelpWithExamples(string verb)
    {
        ToolRun help = ToolRun.Here([.. verb.Split(' '), "--help"]);
        Assert.Equal(0, help.Code);
        Assert.Contains("Examples:", help.Output);
        Assert.Contains($"  portable {verb}", help.Output);
        Assert.Contains("--json", help.Output);
    }

    [Fact]
    public void RootHelpListsTheVerbs()
    {
        ToolRun root = ToolRun.Here("--help");
        Assert.Equal(0, root.Code);
        Assert.All(Names, verb => Assert.Contains("\n  " + verb.Split(' ')[0], root.Output));
    }

    [Fact]
    public void ThreadsAreThoseAskedForOrTheProcessorsOfTheProcess()
    {
        Assert.Contains(" 3 threads,", ToolRun.Here("devices", "--json", "--threads", "3").Output);
        Assert.Contains(" 5 threads,", ToolRun.Process(["DOTNET_PROCESSOR_COUNT=5"], "devices", "--json").Output);
    }

    [Fact]
    public void DevicesNamesTheTierInJson()
    {
        var json = ToolRun.Here("devices", "--json").Json();
        Assert.Equal(Cli.Devices.CpuTier.Name, json.GetProperty("tier").GetString());
        Assert.Equal("cpu", json.GetProperty("devices")[0].GetProperty("name").GetString());
        Assert.All(json.GetProperty("devices").EnumerateArray(), device => Assert.Equal(
            device.GetProperty("usable").GetBoolean() ? System.Text.Json.JsonValueKind.Null : System.Text.Json.JsonValueKind.String, device.GetProperty("reason").ValueKind));
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
