using Portable.Execution;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Model;
using Xunit;

namespace Portable.Tests.Vulkan.Model;

/// <summary>Every attention kernel gives the managed CPU's bits: with and without cooperative matrices.</summary>
[Collection("Vulkan")]
public sealed class AttentionTests(VulkanFixture vulkan)
{
    public static TheoryData<int, int, int, int> Shapes => new()
    {
        // Head size, heads, KV heads, bits of the cache.
        { 32, 2, 2, 8 },
        { 16, 4, 2, 4 },
        { 64, 4, 1, 2 },
        { 128, 2, 1, 8 },
        { 20, 2, 2, 3 },
        { 80, 2, 1, 5 },
        { 40, 2, 2, 7 },
        { 48, 1, 1, 6 },
        { 48, 3, 1, 16 },
    };

    [SkippableTheory]
    [MemberData(nameof(Shapes))]
    public void MatricesGiveTheCpusBits(int headSize, int heads, int kvHeads, int bits) => Prefill(headSize, heads, kvHeads, bits, new AttentionChoice { MatrixRows = 1 });

    [SkippableTheory]
    [MemberData(nameof(Shapes))]
    public void NoMatricesGiveTheCpusBits(int headSize, int heads, int kvHeads, int bits) => Prefill(headSize, heads, kvHeads, bits, new AttentionChoice { MatrixRows = int.MaxValue });

    /// <summary>A device without matrices of unsigned bytes, or with its matrices masked, is served all the same.</summary>
    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void DeviceWithoutByteMatricesServes(bool signed)
    {
        VulkanDeviceFacts facts = vulkan.Context.Facts;
        facts = signed ? facts with { Matrices = [.. facts.Matrices.Where(m => m.IsSignedByte)] } : new FeatureMask(new HashSet<string> { "coopmat" }).Apply(facts);
        CacheShape cache = new(1, 100, 1, 32, 8);
        Assert.Null(AttentionTile.For(facts, cache));
        using VulkanContext gpu = VulkanContext.Open(facts);
        using VulkanExecutor executor = new(gpu, false) { Choice = new AttentionChoice { MatrixRows = 1 } };
        using CpuExecutor cpu = new();
        Assert.Equal(new RandomAttention(cpu, 2, cache, 3, true).Forward((0, 70)), new RandomAttention(executor, 2, cache, 3, true).Forward((0, 70)));
    }

    [SkippableFact]
    public void SelfCheckCatchesAWrongDriver()
    {
        Skip.If(AttentionTile.For(vulkan.Context.Facts, new CacheShape(1, 64, 1, 64, 8)) is null, "No matrices of unsigned bytes.");
        Assert.Null(AttentionCheck.Run(vulkan.Context));
        Assert.Contains("wrong", AttentionCheck.Run(vulkan.Context, broken: true)!.Value.Failure, StringComparison.Ordinal);
    }

    private void Prefill(int headSize, int heads, int kvHeads, int bits, AttentionChoice choice)
    {
        CacheShape cache = new(3, 260, kvHeads, headSize, bits);
        bool matrices = vulkan.Context.Facts.Matrices.Any(m => m.A == MatrixElement.UInt8);
        Assert.Equal(matrices && bits <= 8, AttentionTile.For(vulkan.Context.Facts, cache) is not null);
        using VulkanExecutor gpu = new(vulkan.Context, false) { Choice = choice };
        using CpuExecutor cpu = new();
        RandomAttention actual = new(gpu, heads, cache, headSize + bits, bits % 2 == 0), expected = new(cpu, heads, cache, headSize + bits, bits % 2 == 0);

        // Tiles cut by sequences, by the batch's end, and by chunks of 64 keys that begin inside a tile; then single tokens.
        foreach ((int, int)[] parts in new (int, int)[][] { [(0, 70), (0, 3), (0, 19)], [(70, 41), (3, 1), (19, 128)], [(111, 17), (4, 60), (147, 5)], [(128, 132), (64, 1)], [(0, 1), (65, 1), (152, 1)] })
        {
            Assert.Equal(expected.Forward(parts).Select(BitConverter.SingleToInt32Bits), actual.Forward(parts).Select(BitConverter.SingleToInt32Bits));
        }

        VulkanFixture.AssertNoValidationMessages();
    }
}
