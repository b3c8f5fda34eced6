using System.Runtime.InteropServices;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Matmul.Techniques;
using Portable.Vulkan.SelfChecks;
using Xunit;

namespace Portable.Tests.Vulkan;

[Collection("Vulkan")]
public sealed class MatmulTests(VulkanFixture vulkan)
{
    public static TheoryData<string> Techniques => [.. MatmulTechniques.All.Select(t => t.Name)];

    // Building a kernel takes software Vulkan up to seconds, so each width, sign and shape is met once per technique, not in
    // every combination; the long list is `portable verify`.
    [SkippableTheory]
    [MemberData(nameof(Techniques))]
    public void EveryWidthGivesTheReferencesBits(string technique)
    {
        (int W, int A)[] pairs = [(1, 8), (2, 16), (3, 5), (4, 4), (5, 1), (6, 6), (7, 3), (8, 7), (8, 2)];
        foreach ((int w, int a) in pairs)
        {
            int seed = w * 100 + a;
            Judge(technique, 1 + seed % 2, 1 + seed % 37, 65 + seed % 100, seed % 3 == 0 ? 64 : 0, new CodeFormat(w, seed % 2 == 0), new CodeFormat(a, a == 16 || seed % 4 < 2), seed);
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    [SkippableTheory]
    [MemberData(nameof(Techniques))]
    public void ShapesAroundTilesAndGroups(string technique)
    {
        int seed = 0;
        foreach ((int m, int n, int k, int g) in new[] { (1, 1, 1, 0), (7, 31, 64, 0), (8, 32, 192, 64), (9, 33, 129, 64), (17, 65, 320, 128), (31, 100, 300, 100), (33, 64, 257, 0), (1, 96, 1024, 128), (3, 40, 2048, 0) })
        {
            Judge(technique, m, n, k, g, new CodeFormat(6, true), new CodeFormat(8, seed++ < 4), 3);
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    [SkippableTheory]
    [MemberData(nameof(Techniques))]
    public void IntegersOfExtremeCodesDoNotOverflow(string technique)
    {
        Judge(technique, 2, 33, 8192, 0, new CodeFormat(8, true), new CodeFormat(8, true), 1, extreme: true, output: MatmulOutput.Integers);
        Judge(technique, 2, 33, 4096, 128, new CodeFormat(8, false), new CodeFormat(16, true), 3, extreme: true, output: MatmulOutput.Integers);
    }

    [SkippableTheory]
    [MemberData(nameof(Techniques))]
    public void FloatsOfExtremeGroupsAreExact(string technique)
    {
        // The largest sums that the short conversion of coopmat takes: 128 products of -128 and 255; then one beyond it.
        Judge(technique, 9, 33, 512, 128, new CodeFormat(8, false), new CodeFormat(8, true), 1, extreme: true);
        Judge(technique, 9, 33, 512, 192, new CodeFormat(8, false), new CodeFormat(8, true), 1, extreme: true);
    }

    [SkippableTheory]
    [MemberData(nameof(Techniques))]
    public void HalvesAreTheRoundedFloats(string technique)
    {
        // Odd N: words that two rows share. Seed 5 adds to what is there.
        Judge(technique, 9, 33, 192, 64, new CodeFormat(4, true), new CodeFormat(8, false), 5, output: MatmulOutput.Float16);
        Judge(technique, 3, 70, 300, 0, new CodeFormat(6, false), new CodeFormat(6, true), 2, output: MatmulOutput.Float16);
        VulkanFixture.AssertNoValidationMessages();
    }

    [SkippableTheory]
    [MemberData(nameof(Techniques))]
    public void EveryCandidateTileIsExact(string technique)
    {
        // Channels that are stored one by one, and by fours beside what they are added to.
        foreach (int n in new[] { 70, 72 })
        {
            RandomMatmul matmul = RandomMatmul.Create(13, n, 515, 128, new CodeFormat(5, true), new CodeFormat(8, false), 9, bias: true);
            using GpuLinear linear = GpuLinear.Upload(vulkan.Context, [matmul.Linear]);
            foreach (MatmulPlan kernel in MatmulTechniques.Named(technique).Candidates(vulkan.Context.Facts, linear.Problem(13)))
            {
                Compare(matmul, linear, kernel, MatmulOutput.Float32, residual: n == 72);
            }
        }

        // Bytes of one group: K that workgroups share, and two steps in registers, whose addresses move on. Nine steps, three and one.
        foreach (int k in new[] { 515, 150, 60 })
        {
            RandomMatmul bytes = RandomMatmul.Create(13, 76, k, 0, new CodeFormat(8, true), new CodeFormat(8, false), k, bias: true);
            using GpuLinear layer = GpuLinear.Upload(vulkan.Context, [bytes.Linear]);
            foreach (MatmulPlan kernel in MatmulTechniques.Named(technique).Candidates(vulkan.Context.Facts, layer.Problem(13)).Where(c => c.Splits > 1 || c.Label.EndsWith(" a2", StringComparison.Ordinal)).Take(3))
            {
                Compare(bytes, layer, kernel, MatmulOutput.Float32, residual: true);
            }
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    // More groups than shared memory holds at once: two rounds of them in turn; and fewer blocks in flight than a group has.
    [SkippableTheory]
    [InlineData(8192, 64)]
    [InlineData(2100, 256)]
    public void GroupsAreAddedInOrderOverSeveralRounds(int k, int group)
    {
        RandomMatmul matmul = RandomMatmul.Create(3, 70, k, group, new CodeFormat(3, true), new CodeFormat(8, false), k, bias: true);
        using GpuLinear linear = GpuLinear.Upload(vulkan.Context, [matmul.Linear]);
        MatmulProblem problem = linear.Problem(3, residual: true);
        foreach (MatmulPlan kernel in MatmulTechniques.Named("dot").Candidates(vulkan.Context.Facts, problem).Where((_, i) => i % 3 == 0))
        {
            Compare(matmul, linear, kernel, MatmulOutput.Float32, residual: true);
        }

        VulkanFixture.AssertNoValidationMessages();
    }

    [SkippableFact]
    public void JoinedLayersLieSideBySide()
    {
        VulkanContext gpu = vulkan.Context;
        RandomMatmul a = RandomMatmul.Create(3, 40, 130, 0, new CodeFormat(4, false), new CodeFormat(8, true), 1), b = RandomMatmul.Create(3, 25, 130, 0, new CodeFormat(4, false), new CodeFormat(8, true), 2);
        using GpuLinear joined = GpuLinear.Upload(gpu, [a.Linear, b.Linear]);
        using GpuActivations x = GpuActivations.Upload(gpu, a.Activations);
        using GpuBuffer y = gpu.Allocate(4 * 3 * 70);
        var matmul = new GpuMatmul(gpu, SelfCheck.Of(gpu), "naive");
        gpu.Run(r => matmul.Record(r, joined, x.Addresses, 3, y.Address, 70));
        float[] got = new float[3 * 70], expected = new float[3 * 70];
        gpu.Download<float>(y, got);
        BitMatmul.Multiply(a.Activations, a.Linear, expected, 70);
        BitMatmul.Multiply(a.Activations, b.Linear, expected.AsSpan(40), 70);
        for (int m = 0; m < 3; m++)
        {
            Assert.Equal(expected.AsSpan(m * 70, 65), got.AsSpan(m * 70, 65));
        }
    }

    private void Judge(string technique, int m, int n, int k, int group, CodeFormat w, CodeFormat a, int seed, bool extreme = false, MatmulOutput output = MatmulOutput.Float32)
    {
        RandomMatmul matmul = RandomMatmul.Create(m, n, k, group, w, a, seed, zeros: seed % 3 != 1, bias: seed % 2 == 0, extreme);
        using GpuLinear linear = GpuLinear.Upload(vulkan.Context, [matmul.Linear]);
        MatmulProblem problem = linear.Problem(m, residual: seed % 5 == 0, output);
        MatmulTechnique t = MatmulTechniques.Named(technique);
        Skip.If(t.Refusal(vulkan.Context.Facts, problem) is not null, t.Refusal(vulkan.Context.Facts, problem));
        Compare(matmul, linear, t.Candidates(vulkan.Context.Facts, problem).First(), output, seed % 5 == 0);
    }

    private void Compare(RandomMatmul matmul, GpuLinear linear, MatmulPlan kernel, MatmulOutput output, bool residual)
    {
        VulkanContext gpu = vulkan.Context;
        int m = matmul.Activations.Rows, n = linear.Rows, groups = linear.Layout.Groups, digits = matmul.Activations.HighDigits is null ? 1 : 2;
        MatmulProblem problem = linear.Problem(m, residual, output);
        using GpuActivations x = GpuActivations.Upload(gpu, matmul.Activations);
        int[] start = new int[m * n * groups * digits];
        for (int i = 0; i < m * n; i++)
        {
            start[i] = output == MatmulOutput.Float16 ? HalfConversion.ToHalf(i % 1000 * 0.25f) * 0x10001 : BitConverter.SingleToInt32Bits(i * 0.25f);
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
        if (output == MatmulOutput.Float16)
        {
            AssertHalves(expected, start, got, residual, name);
            return;
        }

        for (int i = 0; residual && i < expected.Length; i++)
        {
            expected[i] = i * 0.25f + expected[i];
        }

        AssertEqual([.. expected.Select(BitConverter.SingleToInt32Bits)], got.AsSpan(0, m * n).ToArray(), name);
    }

    // The words that y held before are pairs of halves; those past the last output stay.
    private static void AssertHalves(float[] product, int[] start, int[] got, bool residual, string name)
    {
        ushort[] expected = [.. MemoryMarshal.Cast<int, ushort>(start)];
        for (int i = 0; i < product.Length; i++)
        {
            expected[i] = HalfConversion.ToHalf(residual ? HalfConversion.ToSingle(expected[i]) + product[i] : product[i]);
        }

        AssertEqual([.. MemoryMarshal.Cast<ushort, int>(expected)], got, name);
    }

    private static void AssertEqual(int[] expected, int[] got, string name)
    {
        int wrong = expected.Zip(got).Count(p => p.First != p.Second);
        Assert.True(wrong == 0, $"{name}: {wrong} of {expected.Length} differ, e.g. {string.Join(" ", Enumerable.Range(0, expected.Length).Where(i => expected[i] != got[i]).Take(6).Select(i => $"[{i}] {expected[i]}≠{got[i]}"))}");
    }
}
