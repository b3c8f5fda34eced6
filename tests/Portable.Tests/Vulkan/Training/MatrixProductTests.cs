using Portable.Vulkan.Engine;
using Portable.Vulkan.Shaders;
using Portable.Vulkan.Training;
using Xunit;

namespace Portable.Tests.Vulkan.Training;

/// <summary>Products by matrix units of f16 halves against sums in double.</summary>
[Collection("Vulkan")]
public sealed class MatrixProductTests(VulkanFixture vulkan)
{
    public static TheoryData<int, int, int> Shapes => new() { { 1, 1, 1 }, { 3, 5, 7 }, { 32, 32, 64 }, { 65, 33, 70 }, { 31, 130, 257 }, { 128, 96, 48 } };

    [SkippableTheory]
    [MemberData(nameof(Shapes))]
    public void ProductsOfEveryFormAreAsExactAsTheirHalves(int m, int n, int k)
    {
        VulkanContext gpu = vulkan.Context;
        Skip.If(MatrixProducts.TileOf(gpu.Facts) is null, "the device has no matrices of f16 with f32 sums");
        Random random = new(m * 31 + n * 17 + k);
        foreach ((bool aColumns, bool bColumns, float size) in ((bool, bool, float)[])[(false, false, 1), (false, true, 1e-9f), (true, true, 1e6f), (true, false, 3)])
        {
            float[] a = Values(random, m * k, size), b = Values(random, n * k, 1);
            float[] got = Run(gpu, new ProductOperand(0, TableType.Float32, aColumns), new ProductOperand(0, TableType.Float32, bColumns), a, b, m, n, k);
            float largestA = a.Max(Math.Abs), largestB = b.Max(Math.Abs);
            for (int i = 0; i < m; i++)
            {
                for (int j = 0; j < n; j++)
                {
                    double sum = 0, magnitude = 0;
                    for (int s = 0; s < k; s++)
                    {
                        double x = a[aColumns ? (s * m) + i : (i * k) + s], w = b[bColumns ? (s * n) + j : (j * k) + s];
                        sum += x * w;
                        magnitude += Math.Abs(x * w);
                    }

                    // Halves leave 2^-22 of each element, or 2^-39 of the largest; low · low is left out; sums round.
                    double bound = magnitude * (Math.ScaleB(3, -22) + ((k + 2) * Math.ScaleB(1, -22))) + (k * Math.ScaleB((double)largestA * largestB, -36));
                    Assert.InRange(Math.Abs(got[(i * n) + j] - sum), 0, bound);
                }
            }
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    [SkippableFact]
    public void WhatIsNotFiniteStaysSo()
    {
        VulkanContext gpu = vulkan.Context;
        Skip.If(MatrixProducts.TileOf(gpu.Facts) is null, "the device has no matrices of f16 with f32 sums");
        float[] a = new float[12], b = new float[12];
        Array.Fill(b, 1);
        a[5] = float.NaN;
        float[] got = Run(gpu, default, default, a, b, 3, 3, 4);
        Assert.Equal([false, false, false, true, true, true, false, false, false], got.Select(v => !float.IsFinite(v)));
    }

    private static float[] Run(VulkanContext gpu, ProductOperand a, ProductOperand b, float[] x, float[] w, int m, int n, int k)
    {
        float[] got = new float[m * n];
        using MatrixProducts products = new(gpu);
        using GpuBuffer left = gpu.Allocate<float>(x), right = gpu.Allocate<float>(w), y = gpu.Allocate(4L * got.Length);
        using TrainingProgram program = new(gpu, null);
        products.Add(program, "product", a with { Address = left.Address }, b with { Address = right.Address }, y.Address, m, n, k);
        gpu.Wait(program.Run());
        gpu.Download<float>(y, got);
        return got;
    }

    private static float[] Values(Random random, int count, float size) => [.. Enumerable.Range(0, count).Select(_ => (float)((random.NextDouble() - 0.5) * Math.Pow(2, random.Next(-12, 2)) * size))];
}
