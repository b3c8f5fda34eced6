using Portable.Models;
using Portable.Reference.Blocks;
using Portable.Tests.Quantization;
using Portable.Tests.Support;
using Portable.Tests.Training;
using Portable.Vulkan.Calibration;
using Portable.Vulkan.SelfChecks;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>Every method ends in the same checkpoint wherever it calibrates.</summary>
[Collection("Vulkan")]
public sealed class QuantizationTests(VulkanFixture vulkan)
{
    [SkippableTheory]
    [InlineData("rtn", "W4A8", false)]
    [InlineData("smoothquant", "W8A8", true)]
    [InlineData("gptq", "W4A8KV4", false)]
    [InlineData("gptq", "W3A16g32", true)]
    [InlineData("gptq", "W2*A8", false)]
    [InlineData("flexq", "W6A6g32", false)]
    [InlineData("flatten", "W4A4", true)]
    [InlineData("abq", "W4A4KV4", false)]
    [InlineData("abq", "W2*A8g32", true)]
    [InlineData("omniquant", "W3A6KV8", false)]
    public void TheDeviceChangesNothing(string method, string scheme, bool opt) => Compare(
        method, new RandomModel(opt ? RandomModel.Opt(3) : RandomModel.Llama(layers: 3), 32, 9, null), scheme, method switch
        {
            "flexq" => new() { ["refine"] = "gptq" },
            "abq" or "omniquant" => new() { ["epochs"] = "2" },
            _ => [],
        });

    /// <summary>Float blocks of other architectures, with what their layouts ask of attention: windows, softcaps, norms of heads.</summary>
    [SkippableTheory]
    [InlineData("gemma2")]
    [InlineData("qwen3")]
    public void OtherArchitecturesToo(string modelType)
    {
        BlockLayout[] layouts = BlockFixture.LayoutsOf(modelType);
        Compare("gptq", new RandomModel(RandomModel.Of(modelType, 1, layouts[0]) with { Blocks = layouts }, 32, 8, null), "W4A8", []);
    }

    // Training says how long it took.
    private static bool IsTimeless(string line) => !line.Contains("run on the CPU", StringComparison.Ordinal) && !line.Contains(" s left", StringComparison.Ordinal);

    private void Compare(string method, RandomModel model, string scheme, Dictionary<string, string> named)
    {
        MethodRun cpu = MethodRun.Quantize(method, model, scheme: scheme, named: named);
        MethodRun gpu = MethodRun.Quantize(method, model, scheme: scheme, named: named, device: new VulkanCalibration(vulkan.Context, SelfCheck.Of(vulkan.Context)));
        Assert.Equal(cpu.Said.Where(IsTimeless), gpu.Said.Where(IsTimeless));
        foreach ((LinearWeights a, LinearWeights b) in cpu.Blocks.SelectMany(x => x.Linears).Zip(gpu.Blocks.SelectMany(x => x.Linears)))
        {
            Assert.Equal(a.Quantized!.Weights.Words.ToArray(), b.Quantized!.Weights.Words.ToArray());
            Assert.Equal(a.Quantized.Scales, b.Quantized.Scales);
            Assert.Equal(a.Quantized.Input.StaticScale, b.Quantized.Input.StaticScale);
        }

        Assert.Equal(cpu.Reports.SelectMany(r => r).Select(r => (r.Error, r.OutputError)), gpu.Reports.SelectMany(r => r).Select(r => (r.Error, r.OutputError)));
        VulkanFixture.AssertNoValidationMessages();
    }
}
