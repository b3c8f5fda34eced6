using Portable.Tests.Support;
using Portable.Vulkan.Devices;
using Xunit;

namespace Portable.Tests.CommandLine;

/// <summary>What somebody who waits is shown, and where a benchmark of devices goes by itself.</summary>
public sealed class ProgressTests
{
    [Fact]
    public void ProgressMovesWithinABatch()
    {
        using LanguageModel model = LanguageModel.Open(Path.Combine(AppContext.BaseDirectory, "demo", "tiny-llama"));
        List<double> fractions = [];
        model.Perplexity(File.ReadAllText(Path.Combine(AppContext.BaseDirectory, "demo", "evaluation.txt")), context: 32, windows: 1, progress: new Immediate(fractions.Add));
        Assert.True(fractions.Distinct().Count() >= 4, string.Join(' ', fractions)); // One window of one batch, and four blocks.
        Assert.Equal(fractions.Order(), fractions);
        Assert.Equal(1, fractions[^1]);
    }

    [SkippableFact]
    public void BenchTuneTakesTheGpuByItself()
    {
        Skip.If(VulkanDevices.List(out _).Count > 0, "Tuning takes minutes where there is a device.");
        ToolRun run = ToolRun.Here("bench", "tune");
        Assert.Equal(1, run.Code);
        Assert.Contains("No Vulkan device", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
        Assert.Equal(2, ToolRun.Here("bench", "tune", "--device", "cpu").Code);
    }

    private sealed class Immediate(Action<double> report) : IProgress<double>
    {
        public void Report(double value) => report(value);
    }
}
