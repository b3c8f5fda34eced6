using Portable.Models;
using Portable.Quantization;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.Quantization;

/// <summary>The switches of the methods that train blocks: each part off or changed, one at a time, on a small random model.</summary>
public class ReconstructionMethodTests
{
    [Theory]
    [InlineData("abq", "recipe", "paper")]
    [InlineData("abq", "smoothing", "off")]
    [InlineData("abq", "smoothing-down", "off")]
    [InlineData("abq", "clipping", "off")]
    [InlineData("abq", "clipping-search", "off")]
    [InlineData("abq", "compensation", "none")]
    [InlineData("abq", "compensation", "rank-one")]
    [InlineData("abq", "mse-weight", "0")]
    [InlineData("abq", "cosine-weight", "0")]
    [InlineData("abq", "teachers", "float")]
    [InlineData("abq", "attention", "none")]
    [InlineData("abq", "attention", "published")]
    [InlineData("abq", "schedule", "constant")]
    [InlineData("omniquant", "patience", "1")]
    public void EverySwitchGivesAModelInTheSchemeAskedFor(string method, string option, string value)
    {
        Dictionary<string, string> named = new() { ["epochs"] = "1", [option] = value };
        MethodRun run = MethodRun.Quantize(method, new RandomModel(RandomModel.Llama(), 32, 8, null), scheme: "W2*A8g32KV4", named: named);
        foreach (LinearWeights linear in run.Blocks.SelectMany(b => b.Linears))
        {
            Assert.Equal("W2*A8g32", linear.Scheme);
            Assert.All(linear.Quantized!.ZeroPoints!, z => Assert.InRange(z, 0, 4));
        }

        Assert.NotNull(run.Manifest!["training"]);
    }

    [Theory]
    [InlineData("abq", "attention", "maybe")]
    [InlineData("abq", "epochs", "-1")]
    [InlineData("omniquant", "recipe", "best")]
    public void OptionsOutOfRangeAreRefusedByName(string method, string option, string value)
    {
        MethodUsageException e = Assert.Throws<MethodUsageException>(() => MethodRun.Quantize(method, new RandomModel(RandomModel.Llama(), 32, 8, null), named: new() { [option] = value }));
        Assert.Contains("--" + option, e.Message, StringComparison.Ordinal);
    }
}
