using Portable.Execution;
using Portable.Inference;
using Portable.Tests.Support;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;
using Silk.NET.Vulkan;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>A device that is lost or full at any point: one clear error, everything freed, the process usable.</summary>
[Collection("Vulkan")]
public sealed class FaultTests(VulkanFixture vulkan)
{
    private readonly RandomModel _source = RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8KV4", 3);

    public static TheoryData<int> Allocations => [.. Enumerable.Range(0, 8).Select(i => 8 * i)];

    [SkippableTheory]
    [MemberData(nameof(Allocations))]
    public void FullDeviceIsReportedAndEverythingFreed(int allocations)
    {
        using VulkanContext gpu = VulkanContext.Open(vulkan.Context.Facts);
        VulkanExecutor executor = new(gpu, SelfCheck.Of(gpu), false);
        long before = gpu.UsedBytes;
        gpu.Faults = new FaultInjection { AllocationsUntilFull = allocations };
        VulkanException e = Assert.Throws<VulkanException>(() =>
        {
            using Transformer model = new(_source, executor);
            model.Forward(Batch.Consecutive([1, 2, 3], 0, true));
        });
        Assert.Equal(Result.ErrorOutOfDeviceMemory, e.Code);
        Assert.Contains("memory is full", e.Message, StringComparison.Ordinal);
        gpu.Faults = null;
        Assert.Equal(before, gpu.UsedBytes);
        AssertServes(gpu);
    }

    [SkippableFact]
    public void LostDeviceIsReportedAndAnotherContextServes()
    {
        using (VulkanContext gpu = VulkanContext.Open(vulkan.Context.Facts))
        {
            long before = gpu.UsedBytes;
            using (Transformer model = new(_source, new VulkanExecutor(gpu, SelfCheck.Of(gpu), false)))
            {
                model.Forward(Batch.Consecutive([1, 2, 3], 0, true));
                model.Forward(Batch.Consecutive([4], 3, true));
                gpu.Faults = new FaultInjection { SubmissionsUntilLost = 0 };
                VulkanException e = Assert.Throws<VulkanException>(() => model.Forward(Batch.Consecutive([5], 4, true)));
                Assert.Equal(Result.ErrorDeviceLost, e.Code);
                Assert.Contains("lost", e.Message, StringComparison.Ordinal);
            }

            Assert.Equal(before, gpu.UsedBytes);
        }

        AssertServes(vulkan.Context);
    }

    private void AssertServes(VulkanContext gpu)
    {
        using Transformer model = new(_source, new VulkanExecutor(gpu, SelfCheck.Of(gpu), false));
        Assert.Equal(_source.Config.VocabularySize, model.Forward(Batch.Consecutive([1], 0, true)).Length);
    }
}
