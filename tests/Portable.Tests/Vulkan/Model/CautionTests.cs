using Portable.Tests.Support;
using Portable.Vulkan.Devices;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>What the tool says of a device before and instead of the work.</summary>
[Collection("Vulkan")]
public sealed class CautionTests(VulkanFixture vulkan) : IDisposable
{
    private readonly DirectoryInfo _work = Directory.CreateTempSubdirectory("portable-caution-");

    private string Device => $"vulkan:{vulkan.Context.Facts.Index}";

    public void Dispose() => _work.Delete(recursive: true);

    [SkippableFact]
    public void ASoftwareDeviceIsNamedBeforeTheWork()
    {
        Skip.If(vulkan.Context.Facts.Kind != VulkanDeviceKind.Cpu, "the device is not software");
        ToolRun run = ToolRun.Here("logits", Quantize(Path.Combine(AppContext.BaseDirectory, "demo", "tiny-llama"), "W4A8KV8"), "--ids", "1,5", "--device", Device);
        Assert.Equal(0, run.Code);
        Assert.Contains("warning: vulkan", run.ErrorLines[0], StringComparison.Ordinal);
        Assert.Contains("software", run.ErrorLines[0], StringComparison.Ordinal);
    }

    /// <summary>The same of every verb that opens a device, and a warning.</summary>
    [SkippableTheory]
    [InlineData("bench", "products", "--shapes", "8x64x64")]
    [InlineData("bench", "model", "--shape", "small-llama", "--scheme", "W4A8", "--blocks", "1", "--context", "8", "--tokens", "1")]
    [InlineData("bench", "quantize", "--shape", "small-llama", "--method", "rtn", "--scheme", "W4A8", "--blocks", "1")]
    [InlineData("bench", "serve", "--shape", "small-llama", "--scheme", "W4A8", "--streams", "1", "--prompt", "8", "--tokens", "1")]
    public void ABenchmarkNamesASoftwareDeviceAsTheOthersDo(params string[] verb)
    {
        Skip.If(vulkan.Context.Facts.Kind != VulkanDeviceKind.Cpu, "the device is not software");
        ToolRun run = ToolRun.Here([.. verb, "--device", Device]);
        Assert.Equal(0, run.Code);
        Assert.Contains($"warning: {vulkan.Context.Facts.Caution}", run.ErrorLines);
    }

    /// <summary>Heads of 256, whole and token by token.</summary>
    [SkippableTheory]
    [InlineData("W8A8")]
    [InlineData("W8A8KV8")]
    public void HeadsOver128HaveTheCpusBits(string scheme)
    {
        string? model = SharedData.Cases(Path.Combine("02-vulkan-head-over-128", "hd256"));
        Skip.If(model is null, SharedData.Absent);
        string quantized = Quantize(model, scheme);
        (string Device, string Chunk)[] runs = [("cpu", "0"), ("cpu", "1"), (Device, "0"), (Device, "1")];
        Assert.Single(runs.Select(r => ToolRun.Here("logits", quantized, "--ids", "1,5,9,31,2", "--device", r.Device, "--chunk", r.Chunk, "--json").Json().GetProperty("hash").GetString()).Distinct());
    }

    private string Quantize(string model, string scheme)
    {
        string output = Path.Combine(_work.FullName, scheme);
        Assert.Equal(0, ToolRun.Here("quantize", model, "--method", "rtn", "--scheme", scheme, "--output", output).Code);
        return output;
    }
}
