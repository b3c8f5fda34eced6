using Portable.Execution;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;
using Xunit;

namespace Portable.Tests.Vulkan;

/// <summary>Tiles of the attention with matrices on invented devices: no Vulkan needed.</summary>
public sealed class AttentionTileTests
{
    private static readonly CooperativeMatrixShape Bytes = new(16, 16, 32, MatrixElement.UInt8, MatrixElement.UInt8, MatrixElement.UInt32);
    private static readonly CooperativeMatrixShape Signed = Bytes with { A = MatrixElement.Int8, B = MatrixElement.Int8, C = MatrixElement.Int32 };

    private static readonly VulkanDeviceFacts Device = new()
    {
        Kind = VulkanDeviceKind.Discrete, SubgroupSize = 32, SharedMemoryBytes = 49152, MaximumInvocations = 1024, CooperativeMatrix = true,
        Matrices = [Signed, Bytes with { N = 8 }, Bytes, Bytes with { Workgroup = true }],
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
        VulkanDeviceFacts device = Device with { SubgroupSize = subgroup, SharedMemoryBytes = shared, Matrices = [Bytes with { M = m, N = n, K = k }, Signed with { M = m, N = n, K = k }] };
        for (int head = 16; head <= 256; head += 4)
        {
            foreach (int bits in shared >= 49152 || head <= 128 ? new[] { 2 + (head % 7), 16 } : [16])
            {
                CacheShape cache = new(1, 64, 1, head, bits);
                AttentionTile tile = AttentionTile.For(device, cache)!;
                Assert.InRange(tile.SharedBytes(cache), 1, shared);
                Assert.Equal(128, tile.Invocations);
                Assert.Equal(bits == 16, tile.Matrix.IsSignedByte);
            }
        }
    }

    [Fact]
    public void ATileKnowsItsSizes()
    {
        CacheShape cache = new(1, 64, 1, 128, 8);
        AttentionTile tile = AttentionTile.For(Device, cache)!;
        Assert.Equal(new AttentionTile(Bytes, 32, 32, 2, 2), tile);

        // 128 columns of 80 bytes, 32 rows of 68 scores whose places digits take, 36 bytes a row; matrices 8 deep: digits of 32 rows of 72 bytes beside.
        Assert.Equal((128 * 80) + (32 * 68 * 4) + (32 * 36), tile.SharedBytes(cache));
        Assert.Equal((128 * 72) + (2 * 32 * 72) + (32 * 72 * 4) + (32 * 36), (tile with { Matrix = Bytes with { K = 8 } }).SharedBytes(cache));
        Assert.Null(tile.Refusal(Device, cache));
        Assert.Equal("too much shared memory", tile.Refusal(Device with { SharedMemoryBytes = 16384 }, cache));
        Assert.Equal("the tile is no multiple of the matrix", (tile with { RowGroups = 4, ColumnGroups = 1 }).Refusal(Device, cache));
        Assert.Equal("the matrices are not of unsigned bytes", (tile with { Matrix = Signed }).Refusal(Device, cache));
        Assert.Equal("attention_matrix", tile.ShaderName);
        Assert.Equal("attention_matrix_shallow", (tile with { Matrix = Bytes with { K = 8 } }).ShaderName);
    }

    [Fact]
    public void ATileOfDigitsKnowsItsSizes()
    {
        CacheShape cache = new(1, 64, 1, 128, 16);
        AttentionTile tile = AttentionTile.For(Device, cache)!;
        Assert.Equal(new AttentionTile(Signed, 32, 32, 2, 2), tile);

        // 64 columns of 80 bytes in two digits, an integer of 32 rows of 72 scores or two digits of 32 rows of 80 and a kilobyte of each subgroup's results, 28 bytes a row.
        Assert.Equal((2 * 64 * 80) + (32 * 72 * 4) + (32 * 28), tile.SharedBytes(cache));
        Assert.Equal((2 * 64 * 80) + (2 * 32 * 80) + (8 * 1024) + (32 * 28), (tile with { ColumnGroups = 4 }).SharedBytes(cache));
        Assert.Equal("the matrices are not of signed bytes", (tile with { Matrix = Bytes }).Refusal(Device, cache));
        Assert.Equal("the tile is no multiple of the matrix", (tile with { SubgroupSize = 96 }).Refusal(Device, cache));
        Assert.Equal("attention_digits_matrix", tile.ShaderName);
        Assert.Equal("attention_digits_matrix_shallow", (tile with { Matrix = Signed with { K = 8 } }).ShaderName);
    }

    [Fact]
    public void ALeanTileKeepsItsQueriesInSharedMemory()
    {
        CacheShape codes = new(1, 64, 1, 128, 8), digits = codes with { Bits = 16 };
        foreach ((CacheShape cache, int planes) in new[] { (codes, 1), (digits, 2) })
        {
            AttentionTile[] tiles = [.. AttentionTile.Candidates(Device, cache)];
            Assert.Equal([false, true], tiles.Select(t => t.Lean));
            Assert.Equal(tiles[0].SharedBytes(cache) + (planes * tiles[0].Rows * (128 + 16)), (tiles[0] with { Lean = true }).SharedBytes(cache));
            Assert.True(AttentionTile.For(Device with { VendorId = 0x8086 }, cache)!.Lean);
        }
    }

    [Fact]
    public void RowsStayInRegistersOnNvidiasDriverAlone()
    {
        VulkanDeviceFacts nvidia = Device with { VendorId = 0x10DE, Driver = "NVIDIA 580", Matrices = [Signed with { N = 8 }, Bytes with { N = 8 }, Signed, Bytes] };
        foreach (int bits in new[] { 8, 16 })
        {
            CacheShape cache = new(1, 64, 1, 128, bits);
            AttentionTile[] tiles = [.. AttentionTile.Candidates(nvidia, cache)];
            Assert.Equal([true, false, false], tiles.Select(t => t.InRegisters));
            Assert.Equal((64, 128, bits == 16 ? "attention_digits_rows" : "attention_rows"), (tiles[0].Rows, tiles[0].Invocations, tiles[0].ShaderName));

            // 128 columns of 64 tokens of one or two digits and 16 bytes of padding; 16 rows of 80 bytes of four subgroups; 16 bytes a token.
            Assert.Equal((128 * ((bits == 16 ? 128 : 64) + 16)) + (4 * 16 * 80) + (64 * 16), tiles[0].SharedBytes(cache));
            Assert.False(AttentionTile.For(nvidia, cache with { HeadSize = 132 })!.InRegisters);
            Assert.False(AttentionTile.For(nvidia with { SubgroupSize = 64 }, cache)?.InRegisters ?? false);
            Assert.False(AttentionTile.For(nvidia with { Driver = "NVK 1" }, cache)!.InRegisters);
            Assert.False(AttentionTile.For(Device, cache)!.InRegisters);
        }
    }

    [Fact]
    public void NoTileWithoutMatricesOfItsSign()
    {
        CacheShape cache = new(1, 64, 1, 128, 8);
        Assert.Null(AttentionTile.For(Device with { Matrices = [Signed] }, cache));
        Assert.Null(AttentionTile.For(Device with { CooperativeMatrix = false }, cache));
        Assert.Null(AttentionTile.For(Device with { Matrices = [Bytes] }, cache with { Bits = 16 }));
    }

    [Theory]
    [InlineData(16, 64, 16384, null)]
    [InlineData(16, 256, 16384, null)] // 11,628 bytes.
    [InlineData(16, 512, 32768, null)] // 18,880 bytes.
    [InlineData(16, 512, 16384, "takes 18880 bytes of shared memory")]
    [InlineData(16, 516, 65536, "multiples of 4 up to 512")]
    [InlineData(16, 66, 65536, "multiples of 4 up to 512")]
    [InlineData(8, 256, 32768, null)]
    [InlineData(8, 260, 65536, "multiples of 4 up to 256")]
    public void HeadsAreRefusedWhereNoKernelServesThem(int bits, int head, int shared, string? reason)
    {
        CacheShape cache = new(1, 64, 1, head, bits);
        foreach (VulkanDeviceKind kind in new[] { VulkanDeviceKind.Discrete, VulkanDeviceKind.Cpu })
        {
            string? refusal = AttentionLimits.Refusal(Device with { Kind = kind, SharedMemoryBytes = shared }, cache);
            Assert.Equal(reason is null, refusal is null);
            Assert.Contains(reason ?? "", refusal ?? "", StringComparison.Ordinal);
        }
    }

    /// <summary>A decode step takes as many stretches at a time as shared memory holds, 16 at most and at least one.</summary>
    [Theory]
    [InlineData(128, 32, 49152, 1024)]
    [InlineData(256, 32, 32768, 704)]
    [InlineData(512, 32, 32768, 320)]
    [InlineData(512, 256, 18296, 64)]
    public void SegmentsOfADecodeStepFitSharedMemory(int head, int groups, int shared, int tokens)
    {
        Assert.Equal(tokens, DecodeDigitsShader.Segment(Device with { SharedMemoryBytes = shared }, head, groups));
        Assert.InRange(DecodeDigitsShader.SharedBytes(head, groups, tokens / 64), 1, shared);
        Assert.True(tokens == 1024 || DecodeDigitsShader.SharedBytes(head, groups, (tokens / 64) + 1) > shared);
    }
}
