using Portable.Reference.Arithmetic.Gemm;
using Portable.Tests.Support;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Tensors;
using Xunit;

namespace Portable.Tests.Vulkan.Calibration;

/// <summary>Products of f32 matrices on the device: an f64 oracle with an error bound, and the CPU's bits.</summary>
[Collection("Vulkan")]
public sealed class FloatProductTests(VulkanFixture vulkan)
{
    public static TheoryData<int, int, int> Shapes => new()
    {
        { 1, 1, 1 }, { 3, 5, 7 }, { 64, 64, 16 }, { 65, 33, 17 }, { 32, 32, 512 }, { 31, 130, 100 }, { 128, 96, 48 }, { 2, 257, 1000 },
    };

    [SkippableTheory]
    [MemberData(nameof(Shapes))]
    public void ProductsOfEveryFormHaveTheCpusBits(int m, int n, int k)
    {
        VulkanContext gpu = vulkan.Context;
        FloatArithmetic arithmetic = FloatArithmetic.Of(gpu);
        Random random = new(m * 31 + n * 17 + k);
        foreach ((bool aColumns, bool bColumns) in ((bool, bool)[])[(false, false), (false, true), (true, true), (true, false)])
        {
            float[] a = Values(random, m * k), b = Values(random, n * k);
            float[] rows = aColumns ? Transposed(a, k, m) : a, weights = bColumns ? Transposed(b, k, n) : b;
            float[] expected = new float[m * n];
            FloatGemm.Multiply(rows, weights, expected, m, n, k);
            float[] got = Run(gpu, arithmetic.Gemm(TableType.Float32, aColumns, bColumns, m, n, k), a, b, m, n, k);
            AssertBits.Equal(expected, got);
            AssertWithinBound(rows, weights, got, m, n, k);
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    // Steps whole and not, more tiles than one, rows and columns that a tile has too many of.
    [SkippableTheory]
    [InlineData(260, 268, 48)]
    [InlineData(100, 396, 80)]
    [InlineData(129, 67, 36)]
    public void LargeTilesHaveTheCpusBits(int m, int n, int k)
    {
        VulkanContext gpu = vulkan.Context;
        FloatArithmetic arithmetic = FloatArithmetic.Of(gpu);
        Random random = new(m + n + k);
        float[] a = Values(random, m * k), b = Values(random, n * k), expected = new float[m * n];
        float[] aColumns = Transposed(a, m, k), bColumns = Transposed(b, n, k);
        FloatGemm.Multiply(a, b, expected, m, n, k);
        foreach (FloatTile tile in arithmetic.Tiles)
        {
            foreach ((bool aDown, bool bDown) in ((bool, bool)[])[(false, false), (false, true), (true, true)])
            {
                FloatGemmShader shader = arithmetic.Gemm(TableType.Float32, aDown, bDown, m, n, k);
                shader = shader with { Gemm = FloatGemmConstants.For(TableType.Float32, tile, aDown, bDown, m, n, k) };
                AssertBits.Equal(expected, Run(gpu, shader, aDown ? aColumns : a, bDown ? bColumns : b, m, n, k));
            }
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    // Whole steps of every element type: halves of both signs, some subnormal.
    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void TablesOfSixteenBitsHaveTheCpusBits(bool brain)
    {
        TableType type = brain ? TableType.BFloat16 : TableType.Float16;
        const int M = 70, N = 66, K = 64;
        VulkanContext gpu = vulkan.Context;
        FloatArithmetic arithmetic = FloatArithmetic.Of(gpu);
        Random random = new(26);
        float[] a = Values(random, M * K), expected = new float[M * N];
        ushort[] table = [.. Values(random, N * K).Select(v => type == TableType.Float16 ? BitConverter.HalfToUInt16Bits((Half)v) : (ushort)(BitConverter.SingleToUInt32Bits(v) >> 16))];
        float[] weights = [.. table.Select(h => type == TableType.Float16 ? (float)BitConverter.UInt16BitsToHalf(h) : BitConverter.UInt32BitsToSingle((uint)h << 16))];
        FloatGemm.Multiply(a, weights, expected, M, N, K);
        foreach (FloatTile tile in (FloatTile[])[arithmetic.Gemm(type, false, false, M, N, K).Gemm.Tile, arithmetic.Rows])
        {
            FloatGemmShader shader = arithmetic.Gemm(type, false, false, M, N, K);
            shader = shader with { Gemm = FloatGemmConstants.For(type, tile, false, false, M, N, K) };
            Assert.True(shader.Gemm.Whole);
            AssertBits.Equal(expected, Run<ushort>(gpu, shader, a, table, M, N, K));
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    private static float[] Run<T>(VulkanContext gpu, FloatGemmShader shader, float[] a, T[] b, int m, int n, int k)
        where T : unmanaged
    {
        float[] got = new float[m * n];
        using GpuBuffer left = gpu.Allocate<float>(a), right = gpu.Allocate<T>(b), y = gpu.Allocate(4L * got.Length);
        gpu.Run(r => FloatArithmetic.Record(r, shader, new FloatGemmPush(left.Address, right.Address, 0, y.Address, (uint)m, (uint)n, (uint)k, (uint)n)));
        gpu.Download<float>(y, got);
        return got;
    }

    // |error| ≤ K·2^-24·Σ|a·b|, to first order.
    private static void AssertWithinBound(float[] a, float[] b, float[] got, int m, int n, int k)
    {
        for (int i = 0; i < m; i++)
        {
            for (int j = 0; j < n; j++)
            {
                double sum = 0, magnitude = 0;
                for (int s = 0; s < k; s++)
                {
                    double product = (double)a[(i * k) + s] * b[(j * k) + s];
                    sum += product;
                    magnitude += Math.Abs(product);
                }

                Assert.InRange(Math.Abs(got[(i * n) + j] - sum), 0, (k + 1) * magnitude * Math.ScaleB(1, -24));
            }
        }
    }

    private static float[] Values(Random random, int count) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-20, 8))))];

    private static float[] Transposed(float[] x, int rows, int columns) => [.. Enumerable.Range(0, rows * columns).Select(i => x[(i % rows * columns) + (i / rows)])];
}
