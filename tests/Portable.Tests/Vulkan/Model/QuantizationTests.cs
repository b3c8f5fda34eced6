using Portable.Execution;
using Portable.Models;
using Portable.Tests.Quantization;
using Portable.Tests.Support;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>A method whose calibration passes through quantized blocks ends in the same checkpoint wherever those run.</summary>
[Collection("Vulkan")]
public sealed class QuantizationTests(VulkanFixture vulkan)
{
    [SkippableTheory]
    [InlineData("gptq", "W4A8KV4", false)]
    [InlineData("gptq", "W3A16g32", true)]
    [InlineData("flexq", "W6A6g32", false)]
    [InlineData("flatten", "W4A4", true)]
    public void TheDeviceChangesNothing(string method, string scheme, bool opt)
    {
        RandomModel model = new(opt ? RandomModel.Opt(3) : RandomModel.Llama(layers: 3), 32, 9, null);
        Dictionary<string, string> named = method == "flexq" ? new() { ["refine"] = "gptq" } : [];
        List<VulkanExecutor> opened = [];
        Executor Open()
        {
            opened.Add(new VulkanExecutor(vulkan.Context, SelfCheck.Of(vulkan.Context), ownsContext: false));
            return opened[^1];
        }

        MethodRun cpu = MethodRun.Quantize(method, model, scheme: scheme, named: named), gpu = MethodRun.Quantize(method, model, scheme: scheme, named: named, device: Open);

        // Every block but the last is passed through, eight windows each.
        Assert.Equal([8, 8], opened.Select(e => e.Submissions));
        Assert.Equal(cpu.Said, gpu.Said);
        foreach ((LinearWeights a, LinearWeights b) in cpu.Blocks.SelectMany(x => x.Linears).Zip(gpu.Blocks.SelectMany(x => x.Linears)))
        {
            Assert.Equal(a.Quantized!.Weights.Words.ToArray(), b.Quantized!.Weights.Words.ToArray());
            Assert.Equal(a.Quantized.Scales, b.Quantized.Scales);
            Assert.Equal(a.Quantized.Input.StaticScale, b.Quantized.Input.StaticScale);
        }

        Assert.Equal(cpu.Reports.SelectMany(r => r).Select(r => (r.Error, r.OutputError)), gpu.Reports.SelectMany(r => r).Select(r => (r.Error, r.OutputError)));
        VulkanFixture.AssertNoValidationMessages();
    }

    [SkippableFact]
    public void AMethodThatRunsNoQuantizedBlockSaysSo()
    {
        MethodRun run = MethodRun.Quantize("smoothquant", new RandomModel(RandomModel.Llama(), 32, 9, null), device: () => new VulkanExecutor(vulkan.Context, SelfCheck.Of(vulkan.Context), ownsContext: false));
        Assert.Contains("the device is not used", Assert.Single(run.Said), StringComparison.Ordinal);
    }
}
