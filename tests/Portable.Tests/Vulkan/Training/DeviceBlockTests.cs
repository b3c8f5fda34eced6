using Portable.Reference.Blocks;
using Portable.Tests.Support;
using Portable.Tests.Training;
using Portable.Vulkan.Training;
using Xunit;

namespace Portable.Tests.Vulkan.Training;

/// <summary>Blocks there and back on the device: the CPU's bits in every output and gradient, which finite differences of the oracle bear out.</summary>
[Collection("Vulkan")]
public sealed class DeviceBlockTests(VulkanFixture vulkan)
{
    public static TheoryData<string> ModelTypes => [.. BlockFixture.ModelTypes];

    /// <summary>Everything that layouts can say, exact and through quantizers, with and without a gradient on the attention map.</summary>
    [SkippableTheory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(11)]
    [InlineData(12)]
    public void AnyBlockHasTheCpusBits(int seed)
    {
        BlockFixture f = new(seed, BlockFixture.AnyLayout(seed), 3 + seed);
        Compare(f, seed, 16, 16, attention: true);
        Compare(f, seed, 4, 3, attention: false, group: seed % 3 == 0 ? 4 : 0);
    }

    [SkippableTheory]
    [MemberData(nameof(ModelTypes))]
    public void BlocksOfEveryArchitectureHaveTheCpusBits(string modelType)
    {
        foreach ((int i, BlockLayout layout) in BlockFixture.LayoutsOf(modelType).Index())
        {
            Compare(new BlockFixture(i, layout, 7), i, 8, 4, attention: true);
        }
    }

    /// <summary>More tokens than one run of queries and than one stage of a row's sums.</summary>
    [SkippableFact]
    public void LongSequencesAndWideRowsHaveTheCpusBits()
    {
        Compare(new BlockFixture(3, gated: true, tokens: 300, heads: 4, group: 2, size: 8, hidden: 32, intermediate: 48), 3, 4, 4, attention: true);
        BlockLayout windows = BlockFixture.LayoutsOf("gemma2")[0];
        Compare(new BlockFixture(3, windows with { Hidden = 6, Intermediate = 5, Attention = windows.Attention with { Window = 130 } }, 261), 3, 16, 8, attention: false);
        Compare(new BlockFixture(4, gated: true, tokens: 5, hidden: 1100, intermediate: 2061), 4, 4, 4, attention: true);
    }

    [SkippableTheory]
    [InlineData("llama")]
    [InlineData("opt")]
    [InlineData("gemma2")]
    [InlineData("olmo2")]
    [InlineData("qwen3")]
    [InlineData("nemotron")]
    public void GradientsAreThoseOfFiniteDifferences(string modelType)
    {
        using OrderedProducts products = new(vulkan.Context);
        BlockFixture f = new(5, BlockFixture.LayoutsOf(modelType)[0], 7);
        BlockGradientTests.Check(f, 5, 6, (dy, dMean) => DeviceBlock.Run(vulkan.Context, products, f, 16, 16, dy, dMean));
    }

    /// <summary>The same by matrix units, in as many bits as finite differences need.</summary>
    [SkippableTheory]
    [InlineData("llama")]
    [InlineData("gemma2")]
    public void GradientsByMatricesAreThoseOfFiniteDifferences(string modelType)
    {
        Skip.If(MatrixProducts.TileOf(vulkan.Context.Facts) is null, "the device has no matrices of f16 with f32 sums");
        using MatrixProducts products = new(vulkan.Context);
        BlockFixture f = new(5, BlockFixture.LayoutsOf(modelType)[0], 7);
        BlockGradientTests.Check(f, 5, 6, (dy, dMean) => DeviceBlock.Run(vulkan.Context, products, f, 16, 16, dy, dMean));
        VulkanFixture.AssertNoValidationMessages();
    }

    private void Compare(BlockFixture f, int seed, int activationBits, int keyValueBits, bool attention, int group = 0)
    {
        using OrderedProducts products = new(vulkan.Context);
        Random random = new(seed);
        float[] dy = BlockFixture.Fill(random, f.Input.Length, 1);
        float[]? dMean = attention ? BlockFixture.Fill(random, f.Tokens * f.Tokens, 1) : null;
        for (int i = 0; i < f.Tokens && dMean is not null; i++)
        {
            dMean.AsSpan(i * f.Tokens + i + 1, f.Tokens - i - 1).Clear();
        }

        BlockPass cpu = BlockPass.OnCpu(f, activationBits, keyValueBits, dy, dMean, group);
        BlockPass device = DeviceBlock.Run(vulkan.Context, products, f, activationBits, keyValueBits, dy, dMean, group);
        Same("y", cpu.Y, device.Y);
        Same("mean attention", cpu.Mean, device.Mean);
        Same("dx", cpu.Dx, device.Dx);
        foreach (BlockNorm norm in f.Layout.Norms)
        {
            Same($"gain {norm}", cpu.Gradients[norm].Gain, device.Gradients[norm].Gain);
            Same($"bias {norm}", cpu.Gradients[norm].Bias, device.Gradients[norm].Bias);
        }

        foreach (BlockSlot slot in f.Layout.Slots)
        {
            Same($"{slot}", cpu.Gradients[slot].Weight, device.Gradients[slot].Weight);
            Same($"{slot} bias", cpu.Gradients[slot].Bias, device.Gradients[slot].Bias);
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    // Bits, but for the sign of zeros.
    private static void Same(string name, float[]? expected, float[]? actual)
    {
        for (int i = 0; i < (expected?.Length ?? 0); i++)
        {
            Assert.True(expected![i].Equals(actual![i]) || expected[i] == actual[i], $"{name}[{i}]: {actual[i]:R}, the CPU's {expected[i]:R}");
        }
    }
}
