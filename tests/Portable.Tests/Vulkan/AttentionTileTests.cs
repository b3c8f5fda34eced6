using Portable.Execution;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Tensors;
using Xunit;

namespace Portable.Tests.Vulkan;

/// <summary>Tiles of the attention with matrices on invented devices: no Vulkan needed.</summary>
public sealed class AttentionTileTests
{
    private static readonly CooperativeMatrixShape s_bytes = new(16, 16, 32, MatrixElement.UInt8, MatrixElement.UInt8, MatrixElement.UInt32);
    private static readonly CooperativeMatrixShape s_signed = s_bytes with { A = MatrixElement.Int8, B = MatrixElement.Int8, C = MatrixElement.Int32 };

    private static readonly VulkanDeviceFacts s_device = new()
    {
        Kind = VulkanDeviceKind.Discrete, SubgroupSize = 32, SharedMemoryBytes = 49152, MaximumInvocations = 1024, CooperativeMatrix = true,
        Matrices = [s_signed, s_bytes with { N = 8 }, s_bytes, s_bytes with { Workgroup = true }],
    };

    public static TheoryData<int, int, int, int, int> Devices => new()
    {
        // Matrix M, N, K, subgroup size, shared memory.
        { 16, 16, 32, 32, 49152 },
        { 16, 16, 16, 64, 65536 },
        { 16, 16, 16, 32, 65536 },
        { 8, 16, 32, 32, 49152 },
        { 8, 8, 32, 16, 32768 },
    };

    [Theory]
    [MemberData(nameof(Devices))]
    public void EveryHeadHasATileThatFits(int m, int n, int k, int subgroup, int shared)
    {
        VulkanDeviceFacts device = s_device with { SubgroupSize = subgroup, SharedMemoryBytes = shared, Matrices = [s_bytes with { M = m, N = n, K = k }] };
        for (int head = 16; head <= 256; head += 4)
        {
            if (shared >= 49152 || head <= 128)
            {
                CacheShape cache = new(1, 64, 1, head, 2 + (head % 7));
                AttentionTile tile = AttentionTile.For(device, cache)!;
                Assert.InRange(tile.SharedBytes(cache), 1, shared);
                Assert.Equal(128, tile.Invocations);
            }
        }
    }

    [Fact]
    public void ATileKnowsItsSizes()
    {
        CacheShape cache = new(1, 64, 1, 128, 8);
        AttentionTile tile = AttentionTile.For(s_device, cache)!;
        Assert.Equal(new AttentionTile(s_bytes, 32, 32, 2, 2), tile);

        // 128 columns of 80 bytes, two digits of 32 rows of 80, 32 rows of 72 scores, 36 bytes a row.
        Assert.Equal((128 * 80) + (2 * 32 * 80) + (32 * 72 * 4) + (32 * 36), tile.SharedBytes(cache));
        Assert.Null(tile.Refusal(s_device, cache));
        Assert.Equal("too much shared memory", tile.Refusal(s_device with { SharedMemoryBytes = 16384 }, cache));
        Assert.Equal("the tile is no multiple of the matrix", (tile with { RowGroups = 4, ColumnGroups = 1 }).Refusal(s_device, cache));
        Assert.Equal("the matrices are not of unsigned bytes", (tile with { Matrix = s_signed }).Refusal(s_device, cache));
        Assert.Equal("attention_matrix", tile.ShaderName);
        Assert.Equal("attention_matrix_shallow", (tile with { Matrix = s_bytes with { K = 8 } }).ShaderName);
    }

    [Fact]
    public void NoTileWithoutMatricesOfUnsignedBytesOrOverHalves()
    {
        CacheShape cache = new(1, 64, 1, 128, 8);
        Assert.Null(AttentionTile.For(s_device with { Matrices = [s_signed] }, cache));
        Assert.Null(AttentionTile.For(s_device with { CooperativeMatrix = false }, cache));
        Assert.Null(AttentionTile.For(s_device, cache with { Bits = 16 }));
    }

    [Theory]
    [InlineData(64, 49152, null)]
    [InlineData(128, 32768, null)] // 29,760 bytes.
    [InlineData(128, 16384, "shared memory")]
    [InlineData(132, 65536, "at most 128")]
    [InlineData(256, 65536, "at most 128")]
    public void AHalfPrecisionCacheIsRefusedWhereItsKernelIsNotProved(int head, int shared, string? reason)
    {
        CacheShape cache = new(1, 64, 1, head, 16);
        foreach (VulkanDeviceKind kind in new[] { VulkanDeviceKind.Discrete, VulkanDeviceKind.Cpu })
        {
            string? refusal = HalfAttention.Refusal(s_device with { Kind = kind, SharedMemoryBytes = shared }, cache);
            Assert.Equal(reason is null, refusal is null);
            Assert.Contains(reason ?? "", refusal ?? "", StringComparison.Ordinal);
            Assert.Null(HalfAttention.Refusal(s_device with { SharedMemoryBytes = shared }, cache with { Bits = 8 }));
        }

        Assert.Equal(54_336, HalfAttention.SharedBytes(256));
    }
}
