using Portable.Cli;
using Portable.Quantization;
using Portable.Quantization.Runs;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.CommandLine;

/// <summary>Help pages.</summary>
public sealed class HelpTests
{
    [Theory]
    [InlineData("help")]
    [InlineData("help", "generate")]
    [InlineData("help", "bench", "matmul")]
    public void HelpOfAVerbIsThePageOfThatVerb(params string[] args)
    {
        ToolRun help = ToolRun.Here(args), page = ToolRun.Here([.. args[1..], "--help"]);
        Assert.Equal((0, ""), (help.Code, help.Error));
        Assert.Equal(page.Output, help.Output);
        Assert.Contains("Examples:", help.Output, StringComparison.Ordinal);
    }

    [Fact]
    public void ACommandLineThatNamesAVerbMakesThatOneAlone()
    {
        string[] all = Verbs(null);
        Assert.Contains("generate", all);
        Assert.All(all, verb => Assert.Equal(verb == "help" ? all : [verb, "help"], Verbs(verb)));
        Assert.Equal(all, Verbs("generates"));
        static string[] Verbs(string? first) => [.. CommandTree.Create(CommandTree.CreateJsonOption(), CommandTree.CreateThreadsOption(), first).Subcommands.Select(c => c.Name)];
    }

    [Fact]
    public void HelpOfAnUnknownVerbIsBadUsage()
    {
        foreach (string[] args in (string[][])[["help", "quantise"], ["quantise", "--help"]])
        {
            ToolRun run = ToolRun.Here(args);
            Assert.Equal(2, run.Code);
            Assert.Contains("did you mean 'quantize'?", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
        }
    }

    [Fact]
    public void BenchAloneListsItsVerbs()
    {
        ToolRun run = ToolRun.Here("bench");
        Assert.Equal(0, run.Code);
        Assert.All((string[])["matmul", "model", "tune"], verb => Assert.Contains("\n  " + verb, run.Output, StringComparison.Ordinal));
    }

    [Fact]
    public void QuantizeHasItsHelpInTwoScreensAndNoMethodsOwnOptions()
    {
        string page = ToolRun.Here("quantize", "--help").Output;
        Assert.InRange(page.Split('\n').Sum(line => 1 + (Math.Max(0, line.Length - 1) / 80)), 10, 48);
        Assert.DoesNotContain("--epochs", page, StringComparison.Ordinal);
        Assert.Contains("--method NAME --help", page, StringComparison.Ordinal);
    }

    public static TheoryData<string> Methods => [.. QuantizationMethods.All.Select(m => m.Name)];

    [Theory]
    [MemberData(nameof(Methods))]
    public void AMethodsPageListsItsOwnOptionsWithTheirDefaults(string name)
    {
        IQuantizationMethod method = QuantizationMethods.All.First(m => m.Name == name);
        string page = string.Join(' ', ToolRun.Here("quantize", "--method", name, "--help").Output.Split([' ', '\n'], StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains(method.Summary, page, StringComparison.Ordinal);
        Assert.All(method.Options, o => Assert.Contains($"--{o.Name} ", page, StringComparison.Ordinal));
        Assert.All(method.Options, o => Assert.NotEmpty(o.Default + o.Implied));
        Assert.All(method.Options, o => Assert.Contains($"[default: {(o.Default.Length > 0 ? o.Default : o.Implied)}]", page, StringComparison.Ordinal));
        string[] others = [.. QuantizationMethods.All.SelectMany(m => m.Options).Select(o => o.Name).Except(method.Options.Select(o => o.Name)).Distinct()];
        Assert.All(others, o => Assert.DoesNotContain($"--{o} ", page, StringComparison.Ordinal));
    }
}
