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

    /// <summary>Pages in any order, of others, and copies of them hold what was fed, in every layout of caches.</summary>
    [SkippableTheory]
    [InlineData("W4A8KV8")]
    [InlineData("W4A8KV3")]
    [InlineData("W4A8")]
    public void SharedAndCopiedPagesAreThoseFed(string scheme)
    {
        RandomModel source = RandomModel.RoundToNearest(RandomModel.Llama(), scheme, 4);
        using Transformer device = new(source, Executor(), sequences: 3, pages: 11), cpu = new(source, new CpuExecutor(), sequences: 3, pages: 11), alone = new(source, new CpuExecutor());
        int[] ids = [.. Enumerable.Range(0, 140).Select(i => i * 31 % 97)];
        float[] expected = alone.Forward(Batch.Consecutive(ids, 0, allLogits: false)).ToArray();
        foreach (Transformer model in (Transformer[])[cpu, device])
        {
            int[][] pages = [[4, 0, 9], [7, 10, 2], [3, 8, 5]];
            Give(0, pages[0]);
            Give(1, pages[1]);
            Give(2, pages[2]);
            model.Forward(Batch.Consecutive(ids, 0, allLogits: false, sequence: 2));
            foreach (int positions in (int[])[1, 64, 65, 139])
            {
                model.Forward(Batch.Consecutive(ids.AsSpan(70), 0, allLogits: false, sequence: 1));
                int full = positions / 64;
                for (int chunk = 0; chunk < full; chunk++)
                {
                    model.Pages![1, chunk] = pages[2][chunk];
                }

                model.CopyPage(pages[2][full], pages[1][full]);
                Assert.Equal(expected, model.Forward(Batch.Consecutive(ids.AsSpan(positions), positions, allLogits: false, sequence: 1)).ToArray());
                Give(1, pages[1]);
            }

            // One token at a time, in one batch with another.
            int[] both = [2, 0];
            model.Forward(Batch.Consecutive(ids.AsSpan(..139), 0, allLogits: false, sequence: 0));
            Assert.Equal(expected, model.Forward(new Batch([ids[139], ids[139]], both, [139, 139], [0, 1])).ToArray()[..97]);

            void Give(int sequence, int[] own)
            {
                for (int chunk = 0; chunk < own.Length; chunk++)
                {
                    model.Pages![sequence, chunk] = own[chunk];
                }
            }
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    private VulkanExecutor Executor() => new(vulkan.Context, SelfCheck.Of(vulkan.Context), false);
}
