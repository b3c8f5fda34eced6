using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;
using Xunit;

namespace Portable.Tests.Vulkan;

[Collection("Vulkan")]
public sealed class EngineTests(VulkanFixture vulkan)
{
    [SkippableFact]
    public void UploadedBytesComeBack()
    {
        VulkanContext gpu = vulkan.Context;
        byte[] data = new byte[20_000_003]; // more than two staging halves, no round size
        new Random(1).NextBytes(data);
        using GpuBuffer buffer = gpu.Allocate(data.Length + 5);
        gpu.Upload<byte>(data, buffer, 5);
        byte[] back = new byte[data.Length];
        gpu.Download<byte>(buffer, back, 5);
        Assert.True(data.AsSpan().SequenceEqual(back));
        VulkanFixture.AssertNoValidationMessages();
    }

    // Integrated GPUs and software devices; a card with memory of its own is copied to.
    [SkippableTheory]
    [InlineData(true)]
    [InlineData(false)]
    public void MemoryThatHostAndDeviceShareIsWrittenInPlace(bool shared)
    {
        Skip.If(!vulkan.Context.Facts.UnifiedMemory, "the device has memory of its own");
        using VulkanContext gpu = VulkanContext.Open(vulkan.Context.Facts with { UnifiedMemory = shared });
        byte[] data = new byte[100_000], back = new byte[data.Length];
        new Random(7).NextBytes(data);
        using GpuBuffer buffer = gpu.Allocate(data.Length);
        long before = gpu.ReservedBytes;
        gpu.Upload<byte>(data, buffer);
        Assert.Equal(shared, gpu.ReservedBytes == before);
        Assert.Equal(shared, IsMapped(buffer));
        if (shared)
        {
            Assert.True(buffer.AsSpan<byte>()[..data.Length].SequenceEqual(data));
        }

        gpu.Download<byte>(buffer, back);
        Assert.Equal(data, back);
        VulkanFixture.AssertNoValidationMessages();
    }

    private static unsafe bool IsMapped(GpuBuffer buffer) => buffer.Mapped is not null;

    [SkippableFact]
    public void BuffersAreCutFromBlocksAndReturned()
    {
        VulkanContext gpu = vulkan.Context;
        long before = gpu.UsedBytes;
        GpuBuffer[] buffers = [.. Enumerable.Range(0, 100).Select(i => gpu.Allocate(1000 + i * 1000))];
        ulong[] starts = [.. buffers.Select(b => b.Address).Order()];
        Assert.Equal(100, starts.Distinct().Count());
        Assert.All(buffers, b => Assert.Equal(0ul, b.Address % 256));
        foreach (GpuBuffer buffer in buffers.Where((_, i) => i % 2 == 0).Concat(buffers.Where((_, i) => i % 2 == 1)))
        {
            buffer.Dispose();
        }

        Assert.Equal(before, gpu.UsedBytes);
        VulkanFixture.AssertNoValidationMessages();
    }

    [SkippableFact]
    public void ARecordedListIsReplayedAndTimed()
    {
        VulkanContext gpu = vulkan.Context;
        using GpuBuffer source = gpu.Allocate(1 << 20), sink = gpu.Allocate(256);
        StreamShader stream = new() { Workgroup = 64, Unroll = 4 };
        Assert.Same(gpu.Pipeline(stream), gpu.Pipeline(stream with { }));
        using TimestampPool time = gpu.CreateTimestamps(2);
        using CommandList list = gpu.Record()
            .Fill(source, 0, source.Size, 7).Barrier().Timestamp(time, 0)
            .Dispatch(stream, new StreamPush(source.Address, sink.Address, (uint)(source.Size / 16)), 8)
            .Timestamp(time, 1).End();
        for (int i = 0; i < 3; i++)
        {
            time.Reset();
            gpu.Wait(gpu.Submit(list));
            Assert.True(time.ReadNanoseconds()[1] > 0);
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    [SkippableFact]
    public void ManyThreadsSubmitAtOnce()
    {
        VulkanContext gpu = vulkan.Context;
        Parallel.For(0, 16, i =>
        {
            int[] data = [.. Enumerable.Range(i * 1000, 5000)];
            using GpuBuffer a = gpu.Allocate<int>(data), b = gpu.Allocate(4 * data.Length);
            gpu.Run(r => r.Copy(a, 0, b, 0, 4 * data.Length));
            int[] back = new int[data.Length];
            gpu.Download<int>(b, back);
            Assert.Equal(data, back);
        });
        VulkanFixture.AssertNoValidationMessages();
    }
}
