using Portable.Tests.Support;
using Portable.Vulkan.Devices;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>What the tool says of a device before and instead of the work.</summary>
[Collection("Vulkan")]
public sealed class CautionTests(VulkanFixture vulkan) : IDisposable
{
    private readonly DirectoryInfo work = Directory.CreateTempSubdirectory("portable-caution-");

    private string Device => $"vulkan:{vulkan.Context.Facts.Index}";

    public void Dispose() => work.Delete(recursive: true);

    [SkippableFact]
    public void ASoftwareDeviceIsNamedBeforeTheWork()
    {
        Skip.If(vulkan.Context.Facts.Kind != VulkanDeviceKind.Cpu, "the device is not software");
        ToolRun run = ToolRun.Here("logits", Quantize(Path.Combine(AppContext.BaseDirectory, "demo", "tiny-llama"), "W4A8KV8"), "--ids", "1,5", "--device", Device);
        Assert.Equal(0, run.Code);
        Assert.Contains("warning: vulkan", run.ErrorLines[0], StringComparison.Ordinal);
        Assert.Contains("software", run.ErrorLines[0], StringComparison.Ordinal);
    }

    [SkippableFact]
    public void HeadsOver128WithAHalfPrecisionCacheAreRefusedInOneLine()
    {
        string? model = SharedData.Cases(Path.Combine("02-vulkan-head-over-128", "hd256"));
        Skip.If(model is null, SharedData.Absent);
        ToolRun run = ToolRun.Here("logits", Quantize(model, "W8A8"), "--ids", "1,5,9", "--device", Device);
        Assert.Equal(1, run.Code);
        Assert.Contains("heads of at most 128, not 256", Assert.Single(run.ErrorLines, line => !line.StartsWith("warning", StringComparison.Ordinal)), StringComparison.Ordinal);

        string codes = Quantize(model, "W8A8KV8");
        string[] hashes = [.. new[] { "cpu", Device }.Select(d => ToolRun.Here("logits", codes, "--ids", "1,5,9,31,2", "--device", d, "--json").Json().GetProperty("hash").GetString()!)];
        Assert.Equal(hashes[0], hashes[1]);
    }

    private string Quantize(string model, string scheme)
    {
        string output = Path.Combine(work.FullName, scheme);
        Assert.Equal(0, ToolRun.Here("quantize", model, "--method", "rtn", "--scheme", scheme, "--output", output).Code);
        return output;
    }
}
