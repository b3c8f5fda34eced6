using Portable.Execution;
using Portable.Inference;
using Portable.Tests.Support;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Model;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>Passes on devices that a watchdog guards: cut into submissions by expected work, repeated where one took suspiciously long.</summary>
[Collection("Vulkan")]
public sealed class BoundedSubmissionTests(VulkanFixture vulkan)
{
    private static readonly SelfCheckResult Fast = Paced(1);

    [SkippableFact]
    public void APassThatIsExpectedToExceedTheWatchdogIsCutAndGivesTheSameBits()
    {
        using VulkanContext gpu = VulkanContext.Open(vulkan.Context.Facts);
        float[] whole = Logits(gpu, Fast, out long one);
        gpu.Watchdog = TimeSpan.FromHours(1);
        Assert.Equal(2, one);
        Assert.Equal(whole, Logits(gpu, Fast, out long still));
        Assert.Equal(one, still);

        // Each operation is expected to take most of an hour: a submission for each.
        Assert.Equal(whole, Logits(gpu, Paced(1e9), out long many));
        Assert.InRange(many, 20, 100);
        VulkanFixture.AssertNoValidationMessages();
    }

    [SkippableFact]
    public void APassThatAResetMayHaveTouchedIsRepeatedInShorterSubmissions()
    {
        using VulkanContext gpu = VulkanContext.Open(vulkan.Context.Facts);
        float[] whole = Logits(gpu, Fast, out _);
        gpu.Watchdog = TimeSpan.FromMinutes(50);
        gpu.Faults = new FaultInjection { SlowWaits = 1 };
        Assert.Equal(whole, Logits(gpu, Fast, out long submissions));
        Assert.True(submissions > 2);
    }

    [SkippableFact]
    public void APassThatIsAlwaysTooSlowIsReportedAndReturnsNothing()
    {
        using VulkanContext gpu = VulkanContext.Open(vulkan.Context.Facts);
        gpu.Watchdog = TimeSpan.FromMinutes(50);
        gpu.Faults = new FaultInjection { SlowWaits = int.MaxValue };
        Assert.Contains("not to be trusted", Assert.Throws<VulkanException>(() => Logits(gpu, Fast, out _)).Message, StringComparison.Ordinal);
    }

    private static float[] Logits(VulkanContext gpu, SelfCheckResult check, out long submissions)
    {
        VulkanExecutor executor = new(gpu, check, ownsContext: false);
        using Transformer model = new(RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8KV8", 3), executor);
        float[] prompt = model.Forward(Batch.Consecutive([5, 6, 7, 8, 9, 10, 11, 12], 0, true)).ToArray();
        float[] step = model.Forward(Batch.Consecutive([13], 8, true)).ToArray();
        submissions = executor.Submissions;
        return [.. prompt, .. step];
    }

    private static SelfCheckResult Paced(double pace) =>
        new(new Dictionary<string, string>()) { Pace = new Dictionary<string, double> { ["1"] = pace, ["8"] = pace, ["64"] = pace } };
}
