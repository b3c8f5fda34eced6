using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Techniques;
using Xunit;

namespace Portable.Tests.Vulkan;

/// <summary>Workgroups that share K: the reference's bits, and nothing left behind that a second run would see.</summary>
[Collection("Vulkan")]
public sealed class SplitTests(VulkanFixture vulkan)
{
    [SkippableTheory]
    [InlineData(1, 8, 1, 70, 1000, 0)]
    [InlineData(2, 8, 2, 31, 129, 0)]
    [InlineData(3, 16, 1, 5, 1027, 0)]
    [InlineData(4, 8, 8, 33, 2048, 0)]
    [InlineData(5, 3, 5, 64, 65, 0)]
    [InlineData(6, 6, 3, 40, 1100, 128)]
    [InlineData(7, 8, 1, 1, 7, 0)]
    [InlineData(8, 8, 2, 96, 640, 64)]
    [InlineData(8, 16, 9, 20, 300, 100)]
    public void TheBitsAreTheReferencesRunAfterRun(int w, int a, int m, int n, int k, int group)
    {
        int seed = w * 31 + a + m;
        RandomMatmul matmul = RandomMatmul.Create(m, n, k, group, new CodeFormat(w, seed % 2 == 0), new CodeFormat(a, a == 16 || seed % 3 == 0), seed, bias: true);
        float[] expected = new float[m * n];
        BitMatmul.Multiply(matmul.Activations, matmul.Linear, expected, n);
        int digits = a == 16 ? 2 : 1, sums = m * n * matmul.Activations.Layout.Groups;
        int[] low = new int[sums], high = new int[digits == 2 ? sums : 0];
        BitMatmul.Accumulate(matmul.Activations, matmul.Linear.Weights, low, high);

        VulkanContext gpu = vulkan.Context;
        using GpuLinear linear = GpuLinear.Upload(gpu, [matmul.Linear]);
        using GpuActivations x = GpuActivations.Upload(gpu, matmul.Activations);
        Assert.All(new[] { 0, 1 }, kind =>
        {
            MatmulOutput output = kind == 0 ? MatmulOutput.Float32 : MatmulOutput.Integers;
            int[] bits = kind == 0 ? [.. expected.Select(BitConverter.SingleToInt32Bits)] : [.. low, .. high];
            MatmulProblem problem = linear.Problem(m, output: output);
            MatmulPlan[] kernels = [.. Split(gpu.Facts, problem)];
            Skip.If(kernels.Length == 0, "the device lacks packed dot products");
            Assert.All(kernels, kernel => RunTwice(gpu, linear, x, kernel, problem, bits));
        });
        VulkanFixture.AssertNoValidationMessages();
    }

    // One technique leaves integers where another adds to zeros: on the same weights they must not meet, whoever came first and needs more.
    [SkippableFact]
    public void WhatOneTechniqueLeavesAnotherDoesNotAddTo()
    {
        RandomMatmul many = RandomMatmul.Create(8, 40, 700, 0, new CodeFormat(4, false), new CodeFormat(8, false), 3);
        VulkanContext gpu = vulkan.Context;
        using GpuLinear linear = GpuLinear.Upload(gpu, [many.Linear]);
        using GpuActivations x = GpuActivations.Upload(gpu, many.Activations);
        float[] expected = new float[8 * 40];
        BitMatmul.Multiply(many.Activations, many.Linear, expected, 40);
        MatmulProblem problem = linear.Problem(8);
        Assert.All(new[] { "coopmat", "dot", "coopmat" }, technique =>
        {
            MatmulPlan[] kernels = [.. MatmulTechniques.Named(technique).Candidates(gpu.Facts, problem).Where(k => k.Splits > 1)];
            Skip.If(kernels.Length == 0, $"the device has no kernel of {technique} that shares K");
            Assert.All(kernels, kernel => RunTwice(gpu, linear, x, kernel, problem, [.. expected.Select(BitConverter.SingleToInt32Bits)]));
        });
        VulkanFixture.AssertNoValidationMessages();
    }

    // The first result would be right with counters and sums that are not left as zeros; those of replays would not.
    private static void RunTwice(VulkanContext gpu, GpuLinear linear, GpuActivations x, MatmulPlan kernel, MatmulProblem problem, int[] expected)
    {
        using GpuBuffer first = gpu.Allocate(4L * expected.Length), second = gpu.Allocate(4L * expected.Length);
        CommandRecorder recorder = gpu.Record().Fill(first, 0, first.Size, uint.MaxValue).Fill(second, 0, second.Size, uint.MaxValue).Barrier();
        kernel.Record(gpu, recorder, linear, problem, x.Addresses, first.Address, problem.N);
        kernel.Record(gpu, recorder.Barrier(), linear, problem, x.Addresses, second.Address, problem.N);
        using CommandList list = recorder.End();
        for (int run = 0; run < 2; run++)
        {
            gpu.Wait(gpu.Submit(list));
            foreach (GpuBuffer y in new[] { first, second })
            {
                int[] got = new int[expected.Length];
                gpu.Download<int>(y, got);
                int wrong = expected.Zip(got).Count(p => p.First != p.Second);
                Assert.True(wrong == 0, $"{kernel.Label} on {problem}, run {run}: {wrong} of {expected.Length} differ");
            }
        }
    }

    private static IEnumerable<MatmulPlan> Split(VulkanDeviceFacts device, MatmulProblem problem) =>
        new[] { "dot", "coopmat" }.SelectMany(t => MatmulTechniques.Named(t).Candidates(device, problem)).Where(k => k.Splits > 1);
}
