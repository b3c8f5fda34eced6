using Portable.Vulkan.Engine;
using Xunit;

namespace Portable.Tests.Vulkan;

/// <summary>Kernels that a driver's compiler spills, or takes long over, give way to cleaner ones: no Vulkan needed.</summary>
public sealed class CleanestPipelineTests
{
    [Theory]
    [InlineData("a", "a", "a 0 1", "b 0 1")]
    [InlineData("b", "ab", "a 7 1", "b 0 4.9", "c 0 1")]
    [InlineData("c", "abc", "a 0 18", "b 3 1", "c 0 1")]
    [InlineData("a", "ab", "a 0 18", "b 0 20")]
    [InlineData("b", "abc", "a 50 1", "b 2 30", "c 32 1")]
    [InlineData("a", "ab", "a 5 1", "b 5 2")]
    [InlineData(null, "")]
    public void TheFirstCleanOneIsTaken(string? expected, string expectedBuilt, params string[] candidates)
    {
        string built = "";
        Assert.Equal(expected, CleanestPipeline.Of(candidates, Build)?[..1]);
        Assert.Equal(expectedBuilt, built);

        PipelineStatistics Build(string candidate)
        {
            string[] parts = candidate.Split(' ');
            built += parts[0];
            return new PipelineStatistics(double.Parse(parts[2], System.Globalization.CultureInfo.InvariantCulture), new Dictionary<string, long> { ["Spill count"] = long.Parse(parts[1], System.Globalization.CultureInfo.InvariantCulture) });
        }
    }
}
