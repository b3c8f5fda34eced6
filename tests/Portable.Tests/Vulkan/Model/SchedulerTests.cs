using FsCheck;
using FsCheck.Fluent;
using Portable.Execution;
using Portable.Inference;
using Portable.Tests.Serving;
using Portable.Tests.Support;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>Texts in a crowd on the Vulkan device are those that the managed CPU computes alone.</summary>
[Collection("Vulkan")]
public sealed class SchedulerTests(VulkanFixture vulkan)
{
    [SkippableTheory]
    [InlineData("W4A8KV8", 3)]
    [InlineData("W4A8", 16)]
    public void AnswersInACrowdAreThoseAlone(string scheme, int seats)
    {
        using Schedules schedules = new(Executor, scheme, seats);
        Check.One(Config.QuickThrowOnFailure.WithMaxTest(4).WithEndSize(12), Prop.ForAll(ArbMap.Default.ArbFor<Arrival[]>(), arrivals => schedules.Run(arrivals, seats, 24)));
        schedules.Run(Serving.SchedulerTests.Crowd(24, seats), seats, 24);
        VulkanFixture.AssertNoValidationMessages();
    }

    /// <summary>A copy of another sequence's beginning continues as if it had been fed, in every layout of caches.</summary>
    [SkippableTheory]
    [InlineData("W4A8KV8")]
    [InlineData("W4A8KV3")]
    [InlineData("W4A8")]
    public void CopiedBeginningsAreThoseFed(string scheme)
    {
        RandomModel source = RandomModel.RoundToNearest(RandomModel.Llama(), scheme, 4);
        using Transformer device = new(source, Executor(), sequences: 3), cpu = new(source, new CpuExecutor(), sequences: 3);
        int[] ids = [.. Enumerable.Range(0, 140).Select(i => i * 31 % 97)];
        float[] expected = cpu.Forward(Batch.Consecutive(ids, 0, allLogits: false)).ToArray();
        foreach (Transformer model in (Transformer[])[cpu, device])
        {
            foreach (int positions in (int[])[1, 64, 65, 139])
            {
                model.Forward(Batch.Consecutive(ids, 0, allLogits: false, sequence: 2));
                model.Forward(Batch.Consecutive(ids.AsSpan(70), 0, allLogits: false, sequence: 1));
                model.CopyStart(2, 1, positions);
                Assert.Equal(expected, model.Forward(Batch.Consecutive(ids.AsSpan(positions), positions, allLogits: false, sequence: 1)).ToArray());
            }
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    private VulkanExecutor Executor() => new(vulkan.Context, SelfCheck.Of(vulkan.Context), false);
}
