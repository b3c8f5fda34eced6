using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Tests.Support;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>What a forward pass costs beside its arithmetic, and what happens to models that cannot be served.</summary>
[Collection("Vulkan")]
public sealed class ExecutorTests(VulkanFixture vulkan)
{
    [SkippableFact]
    public void DecodeStepIsOneSubmissionOfAtMostEightDispatchesALayerAndAllocatesNothing()
    {
        ModelConfig config = RandomModel.Llama();
        VulkanExecutor executor = new(vulkan.Context, SelfCheck.Of(vulkan.Context), false);
        using Transformer model = new(RandomModel.RoundToNearest(config, "W4A8KV4", 3), executor);
        Batch[] steps = [.. Enumerable.Range(0, 8).Select(p => Batch.Consecutive([p + 1], p, true))];
        model.Forward(steps[0]);
        model.Forward(steps[1]);
        (long submissions, long allocated) = (executor.Submissions, GC.GetAllocatedBytesForCurrentThread());
        for (int i = 2; i < steps.Length; i++)
        {
            model.Forward(steps[i]);
        }

        allocated = GC.GetAllocatedBytesForCurrentThread() - allocated;
        Assert.Equal(steps.Length - 2, executor.Submissions - submissions);
        Assert.InRange(executor.Dispatches, 1, (8 * config.Layers) + 3);
        Assert.Equal(0, allocated);
    }

    /// <summary>A first check builds kernels ahead, on all processors: by recording passes that do not run.</summary>
    [SkippableFact]
    public void RecordingAloneBuildsTheKernelsThatRunningTakes()
    {
        using VulkanContext gpu = VulkanContext.Open(vulkan.Context.Facts);
        SelfCheckResult check = SelfCheck.Of(vulkan.Context);
        VulkanExecutor recorder = new(gpu, check, ownsContext: false) { RecordsOnly = true };
        Assert.Empty(Steps(recorder));
        Assert.Equal(0, recorder.Submissions);
        Shader[] built = [.. gpu.Pipelines.Select(p => p.Shader)];
        Assert.NotEmpty(Steps(new VulkanExecutor(gpu, check, ownsContext: false)));
        Assert.Equal(built.Select(s => s.ToString()).Order(StringComparer.Ordinal), gpu.Pipelines.Select(p => p.Shader.ToString()).Order(StringComparer.Ordinal));

        static float[] Steps(VulkanExecutor executor)
        {
            using Transformer model = new(RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8KV4", 3), executor);
            return [.. model.Forward(Batch.Consecutive([1, 2, 3], 0, true)), .. model.Forward(Batch.Consecutive([4], 3, true))];
        }
    }

    [SkippableFact]
    public void MemoryReturnsWithTheModel()
    {
        long before = vulkan.Context.UsedBytes;
        using (Transformer model = new(RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8", 3), new VulkanExecutor(vulkan.Context, SelfCheck.Of(vulkan.Context), false)))
        {
            model.Forward(Batch.Consecutive([1, 2, 3], 0, false));
            model.Forward(Batch.Consecutive([4], 3, false));
            Assert.True(vulkan.Context.UsedBytes > before);
        }

        Assert.Equal(before, vulkan.Context.UsedBytes);
    }

    [SkippableTheory]
    [InlineData("W2A8KV8")]
    [InlineData("W6A6g64")]
    public void TheEstimateIsWhatAModelTakes(string scheme)
    {
        ModelConfig config = RandomModel.Llama(8, 4, 6, 384) with { VocabularySize = 3000 };
        RandomModel source = RandomModel.RoundToNearest(config, scheme, 3);
        VulkanExecutor executor = new(vulkan.Context, SelfCheck.Of(vulkan.Context), false);
        long before = vulkan.Context.UsedBytes;
        using Transformer model = new(source, executor);
        model.Forward(Batch.Consecutive([.. Enumerable.Range(0, config.MaximumPositions)], 0, false));
        long taken = vulkan.Context.UsedBytes - before, estimate = VulkanMemory.Of(source, 1, config.MaximumPositions, executor.MaximumRows).Total;
        Assert.InRange((double)taken / estimate, 0.9, 1.1);
    }

    [SkippableFact]
    public void ModelThatDoesNotFitIsRefusedBeforeLoading()
    {
        using VulkanContext small = VulkanContext.Open(vulkan.Context.Facts with { MemoryBytes = 100_000 });
        RandomModel source = RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8", 3);
        DeviceMemoryException e = Assert.Throws<DeviceMemoryException>(() => new Transformer(source, new VulkanExecutor(small, SelfCheck.Of(small), false)));
        Assert.Contains("The model needs", e.Message, StringComparison.Ordinal);
        Assert.Equal((1, source.Config.MaximumPositions, small.FreeBytes), (e.Sequences, e.Context, e.AvailableBytes));
        Assert.True(e.NeededBytes > e.AvailableBytes);
        Assert.Equal(0, small.UsedBytes);
    }

    [SkippableFact]
    public void ATableThatOneBufferCannotHoldIsRefusedBeforeLoading()
    {
        using VulkanContext small = VulkanContext.Open(vulkan.Context.Facts with { MaximumBufferBytes = 9 << 20 });
        RandomModel source = RandomModel.RoundToNearest(RandomModel.Llama() with { VocabularySize = 80_000 }, "W4A8", 3);
        VulkanException e = Assert.Throws<VulkanException>(() => new Transformer(source, new VulkanExecutor(small, SelfCheck.Of(vulkan.Context), false)));
        Assert.Equal(0, small.UsedBytes);
        Assert.Contains("A table of 80000×64 elements takes 9 MiB", e.Message, StringComparison.Ordinal);
    }

    /// <summary>A device that allows 9 MiB at once serves a model of nearly twice that size, with the same bits.</summary>
    [SkippableFact]
    public void ModelLargerThanOneAllocationIsServed()
    {
        const long Limit = 9 << 20;
        using VulkanContext small = VulkanContext.Open(vulkan.Context.Facts with { MaximumAllocationBytes = Limit, MaximumBufferBytes = Limit });
        RandomModel source = RandomModel.RoundToNearest(RandomModel.Llama() with { VocabularySize = 70_000 }, "W8A8KV8", 3);
        using Transformer model = new(source, new VulkanExecutor(small, SelfCheck.Of(small), false)), cpu = new(source, new CpuExecutor());
        Batch batch = Batch.Consecutive([1, 69_999, 3], 0, true);
        Assert.Equal(cpu.Forward(batch).ToArray(), model.Forward(batch).ToArray());
        Assert.True(small.UsedBytes > 3 * Limit / 2, $"{small.UsedBytes} bytes");
    }

    [SkippableFact]
    public void UnquantizedModelIsRefused()
    {
        RandomModel source = new(RandomModel.Llama(), 32, 3, null);
        VulkanException e = Assert.Throws<VulkanException>(() => new Transformer(source, new VulkanExecutor(vulkan.Context, SelfCheck.Of(vulkan.Context), false)));
        Assert.Contains("the device cpu", e.Message, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void CancelledLoadingLeavesTheDeviceUsable()
    {
        long before = vulkan.Context.UsedBytes;
        using CancellationTokenSource cancellation = new();
        RandomModel source = RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8", 3);
        Assert.Throws<OperationCanceledException>(() =>
            new Transformer(source, new VulkanExecutor(vulkan.Context, SelfCheck.Of(vulkan.Context), false), progress: new Cancel(cancellation), cancellation: cancellation.Token));
        Assert.Equal(before, vulkan.Context.UsedBytes);
        using Transformer model = new(source, new VulkanExecutor(vulkan.Context, SelfCheck.Of(vulkan.Context), false));
        Assert.Equal(source.Config.VocabularySize, model.Forward(Batch.Consecutive([1], 0, true)).Length);
    }

    [SkippableFact]
    public void TimesOfEveryOperationAreMeasuredWhenAsked()
    {
        VulkanExecutor executor = new(vulkan.Context, SelfCheck.Of(vulkan.Context), false) { Profiling = true };
        using Transformer model = new(RandomModel.RoundToNearest(RandomModel.Llama(), "W4A8", 3), executor);
        model.Forward(Batch.Consecutive([1], 0, true));
        Assert.Contains(executor.Profile, p => p.Operation == "Attention");
        Assert.All(executor.Profile, p => Assert.True(p.Microseconds >= 0));
        Assert.All(executor.Profile, p => Assert.True(p.Bytes > 0 || p.Operation == "FinalNorm", p.Operation));
        Assert.Equal((97 * 64 * 2) + (97 * 4) + (64 * 4), executor.Profile.Single(p => p.Operation == "Logits").Bytes);
    }

    private sealed class Cancel(CancellationTokenSource source) : IProgress<int>
    {
        public void Report(int value) => source.Cancel();
    }
}
