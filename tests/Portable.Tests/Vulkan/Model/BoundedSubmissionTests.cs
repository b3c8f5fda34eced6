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

    /// <summary>A pass that is one submission is longer than a watchdog of half its time; cut, none of its submissions is, by the device's own timestamps.</summary>
    [SkippableFact]
    public void NoSubmissionIsLongerThanTheWatchdogByTheDevicesTimestamps()
    {
        Skip.If(vulkan.Context.Facts.TimestampPeriod == 0, "the device has no timestamps");
        using VulkanContext gpu = VulkanContext.Open(vulkan.Context.Facts);

        // A system that is busy with other things halts a software device in the middle of an operation: measured anew then.
        for (int attempt = 0; ; attempt++)
        {
            gpu.Watchdog = Timeout.InfiniteTimeSpan;
            double one = Assert.Single(Times(gpu, Fast, out float[] whole));
            gpu.Watchdog = TimeSpan.FromMicroseconds(one / 2);
            IReadOnlyList<double> cut = [];
            float[] logits = [];
            try
            {
                cut = Times(gpu, Paced(1e9), out logits);
            }
            catch (VulkanException e) when (attempt < 5 && e.Message.Contains("not to be trusted", StringComparison.Ordinal))
            {
                continue;
            }

            Assert.Equal(whole, logits);
            Assert.InRange(cut.Count, 10, 100);
            Assert.All(cut, c => Assert.InRange(c, 0, gpu.Watchdog.TotalMicroseconds));
            Assert.True(cut.Sum() > 0);
            break;
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    private static IReadOnlyList<double> Times(VulkanContext gpu, SelfCheckResult check, out float[] logits)
    {
        VulkanExecutor executor = new(gpu, check, ownsContext: false) { Profiling = true };
        using Transformer model = new(RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8KV8", 3), executor);
        int[] ids = [.. Enumerable.Range(0, 100).Select(i => i % RandomModel.Llama().VocabularySize)];

        // Kernels are built when they first run.
        model.Forward(Batch.Consecutive(ids, 0, true));
        logits = model.Forward(Batch.Consecutive(ids, 0, true)).ToArray();
        return executor.SubmissionMicroseconds;
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

    /// <summary>Rows that linked dispatches leave for each other outlast the submission that they are cut into.</summary>
    [SkippableFact]
    public void AStepOfLinkedDispatchesIsCutToo()
    {
        using VulkanContext gpu = VulkanContext.Open(vulkan.Context.Facts);
        RandomModel source = RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8KV8", 3);
        float[] whole = Steps(Fast, out long one);
        gpu.Watchdog = TimeSpan.FromHours(1);
        Assert.Equal(3, one);
        Assert.Equal(whole, Steps(Paced(1e9), out long many));
        Assert.InRange(many, 30, 100);
        VulkanFixture.AssertNoValidationMessages();

        float[] Steps(SelfCheckResult check, out long submissions)
        {
            VulkanExecutor executor = new(gpu, check, ownsContext: false) { DecodePlan = DecodePlan.Linked };
            using Transformer model = new(source, executor);
            float[] logits = [.. Enumerable.Range(0, 3).SelectMany(i => model.Forward(Batch.Consecutive([13 + i], i, true)).ToArray())];
            Assert.False(executor.GaveUpLinks);
            submissions = executor.Submissions;
            return logits;
        }
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
