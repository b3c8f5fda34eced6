using Portable.Reference.BitPlanes;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul;
using Xunit;

namespace Portable.Tests.Vulkan;

[Collection("Vulkan")]
public sealed class MatmulTests(VulkanFixture vulkan)
{
    public static TheoryData<string> Techniques => [.. MatmulTechniques.All.Select(t => t.Name)];

    [SkippableTheory]
    [MemberData(nameof(Techniques))]
    public void EveryWidthPairAndSignGivesTheReferencesIntegersAndFloats(string technique)
    {
        for (int w = 1; w <= 8; w++)
        {
            foreach (int a in new[] { 1, 2, 3, 4, 5, 6, 7, 8, 16 })
            {
                int seed = w * 100 + a;
                Judge(technique, 1 + seed % 5, 1 + seed % 37, 65 + seed % 100, seed % 3 == 0 ? 64 : 0, new CodeFormat(w, seed % 2 == 0), new CodeFormat(a, a == 16 || seed % 4 < 2), seed);
            }
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    [SkippableTheory]
    [MemberData(nameof(Techniques))]
    public void ShapesAroundTilesAndGroups(string technique)
    {
        int seed = 0;
        foreach ((int m, int n, int k, int g) in new[] { (1, 1, 1, 0), (7, 31, 64, 0), (8, 32, 128, 64), (9, 33, 129, 64), (17, 65, 320, 128), (31, 100, 300, 100), (33, 64, 257, 32), (1, 96, 1024, 128), (3, 40, 2048, 0) })
        {
            foreach ((CodeFormat w, CodeFormat a) in new[] { (new CodeFormat(6, true), new CodeFormat(8, true)), (new CodeFormat(4, false), new CodeFormat(8, false)), (new CodeFormat(3, false), new CodeFormat(16, true)) })
            {
                Judge(technique, m, n, k, g, w, a, ++seed);
            }
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    [SkippableTheory]
    [MemberData(nameof(Techniques))]
    public void ExtremeCodesDoNotOverflow(string technique)
    {
        Judge(technique, 2, 33, 8192, 0, new CodeFormat(8, true), new CodeFormat(8, true), 1, extreme: true);
        Judge(technique, 2, 33, 8192, 0, new CodeFormat(8, false), new CodeFormat(8, false), 2, extreme: true);
        Judge(technique, 2, 33, 4096, 0, new CodeFormat(8, false), new CodeFormat(16, true), 3, extreme: true);
    }

    [SkippableTheory]
    [MemberData(nameof(Techniques))]
    public void EveryCandidateTileIsExact(string technique)
    {
        foreach ((int m, int g, CodeFormat a) in new[] { (5, 0, new CodeFormat(8, true)), (5, 128, new CodeFormat(8, false)), (19, 128, new CodeFormat(16, true)) })
        {
            RandomMatmul matmul = RandomMatmul.Create(m, 70, 515, g, new CodeFormat(5, true), a, 9, bias: true);
            using GpuLinear linear = GpuLinear.Upload(vulkan.Context, [matmul.Linear]);
            foreach (MatmulOutput output in Enum.GetValues<MatmulOutput>())
            {
                foreach (VulkanKernel kernel in MatmulTechniques.Named(technique).Candidates(vulkan.Context.Facts, linear.Problem(m, output: output)))
                {
                    Compare(matmul, linear, kernel, output, residual: false);
                }
            }
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    private void Judge(string technique, int m, int n, int k, int group, CodeFormat w, CodeFormat a, int seed, bool extreme = false)
    {
        RandomMatmul matmul = RandomMatmul.Create(m, n, k, group, w, a, seed, zeros: seed % 3 != 1, bias: seed % 2 == 0, extreme);
        using GpuLinear linear = GpuLinear.Upload(vulkan.Context, [matmul.Linear]);
        foreach (MatmulOutput output in Enum.GetValues<MatmulOutput>())
        {
            MatmulProblem problem = linear.Problem(m, residual: seed % 5 == 0, output);
            MatmulTechnique t = MatmulTechniques.Named(technique);
            Skip.If(t.Refusal(vulkan.Context.Facts, problem) is not null, t.Refusal(vulkan.Context.Facts, problem));
            Compare(matmul, linear, t.Candidates(vulkan.Context.Facts, problem).First(), output, seed % 5 == 0);
        }
    }

    private void Compare(RandomMatmul matmul, GpuLinear linear, VulkanKernel kernel, MatmulOutput output, bool residual)
    {
        VulkanContext gpu = vulkan.Context;
        int m = matmul.Activations.Rows, n = linear.Rows, groups = linear.Layout.Groups, digits = matmul.Activations.HighDigits is null ? 1 : 2;
        MatmulProblem problem = linear.Problem(m, residual, output);
        using GpuActivations x = GpuActivations.Upload(gpu, matmul.Activations);
        int[] start = new int[m * n * groups * digits];
        for (int i = 0; i < m * n; i++)
        {
            start[i] = BitConverter.SingleToInt32Bits(i * 0.25f);
        }

        using GpuBuffer y = gpu.Allocate<int>(start);
        gpu.Run(r => kernel.Record(gpu, r, linear, problem, x.Addresses, y.Address, n));
        int[] got = new int[start.Length];
        gpu.Download<int>(y, got);
        string name = $"{kernel.Label} on {problem}";
        if (output == MatmulOutput.Integers)
        {
            int[] low = new int[m * n * groups], high = new int[digits == 2 ? low.Length : 0];
            BitMatmul.Accumulate(matmul.Activations, matmul.Linear.Weights, low, high);
            AssertEqual([.. low, .. high], got, name);
            return;
        }

        float[] expected = new float[m * n];
        BitMatmul.Multiply(matmul.Activations, matmul.Linear, expected, n);
        for (int i = 0; residual && i < expected.Length; i++)
        {
            expected[i] = i * 0.25f + expected[i];
        }

        AssertEqual([.. expected.Select(BitConverter.SingleToInt32Bits)], got.AsSpan(0, m * n).ToArray(), name);
    }

    private static void AssertEqual(int[] expected, int[] got, string name)
    {
        int wrong = expected.Zip(got).Count(p => p.First != p.Second);
        Assert.True(wrong == 0, $"{name}: {wrong} of {expected.Length} differ, e.g. {string.Join(" ", Enumerable.Range(0, expected.Length).Where(i => expected[i] != got[i]).Take(6).Select(i => $"[{i}] {expected[i]}≠{got[i]}"))}");
    }
}
