using Portable.Reference.BitPlanes;
using Portable.Reference.Matmul;
using Portable.Verification;
using Portable.Vulkan.Contact;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.Matmul.Techniques;
using Portable.Vulkan.SelfChecks;
using Portable.Vulkan.Shaders;
using Xunit;

namespace Portable.Tests.Vulkan;

[Collection("Vulkan")]
public sealed class SelfCheckTests(VulkanFixture vulkan)
{
    [SkippableFact]
    public void AWrongDriverIsCaughtAndRoutedAround()
    {
        VulkanContext gpu = vulkan.Context;
        gpu.Faults = new FaultInjection { Plant = shader => shader is DotShader dot ? dot with { Matmul = dot.Matmul with { ZW = StoredZeros.Zero } } : shader };
        SelfCheckResult check = SelfCheck.Run(gpu);
        gpu.Faults = null;
        Assert.Equal(["dot"], check.Failures.Keys);
        Assert.Contains("wrong", check.Failures["dot"], StringComparison.Ordinal);
        var problem = new MatmulProblem(1, 512, new GroupLayout(1024), new CodeFormat(4, true), new CodeFormat(8, true));
        Assert.NotEqual("dot", MatmulDispatcher.For(gpu, check).Choose(problem).Technique);
        Assert.Empty(SelfCheck.Load(gpu).Failures);
        VulkanFixture.AssertNoValidationMessages();
    }

    /// <summary>The plan that steps of one row would take is proved by whole models; one that is wrong gives way to the next, one that is right stays.</summary>
    [SkippableTheory]
    [InlineData(true, "linked rows", (int)DecodePlan.Fused)]
    [InlineData(false, null, (int)DecodePlan.Linked)]
    public void TheFastestPlanIsProvedByModels(bool planted, string? failure, int plan)
    {
        using VulkanContext gpu = VulkanContext.Open(vulkan.Context.Facts);
        gpu.Faults = new FaultInjection { Plant = shader => planted && shader is GemvShader { Linked: true, Normalized: true } wrong ? wrong with { Epsilon = 1 } : shader };
        SelfCheckResult check = ContactProgram.ProveSteps(gpu, new SelfCheckResult(new Dictionary<string, string>()) { DecodePlan = DecodePlan.Linked }, _ => { });
        Assert.Equal(failure is null ? [] : [failure], check.Failures.Keys);
        Assert.Equal((DecodePlan)plan, check.DecodePlan);
        VulkanFixture.AssertNoValidationMessages();
    }

    /// <summary>The first meeting with a device times what it has proved; the dispatcher then passes over a technique that is slow there.</summary>
    [SkippableFact]
    public void FirstTimesTurnTheChoice()
    {
        SelfCheckResult check = SelfCheck.Load(vulkan.Context);
        string[] measured = [.. check.Slowness.Keys.Select(k => k.Split(' ')[0]).Distinct().Order(StringComparer.Ordinal)];
        Assert.Equal(MatmulTechniques.All.Select(m => m.Name).Except(["naive"]).Order(StringComparer.Ordinal), measured);
        Assert.All(check.Slowness.GroupBy(s => s.Key.Split(' ')[1]), m => Assert.Equal(1, m.Min(s => s.Value)));
        var problem = new MatmulProblem(8, 512, new GroupLayout(1024), new CodeFormat(4, true), new CodeFormat(8, true));
        foreach (string fast in measured)
        {
            SelfCheckResult told = check with { Slowness = measured.ToDictionary(n => $"{n} 8", n => n == fast ? 1.0 : 1e6) };
            Assert.Equal(fast, MatmulDispatcher.For(vulkan.Context, told).Choose(problem).Technique);
        }
    }

    [SkippableFact]
    public void VerificationGivesTheHashOfTheCpu()
    {
        // A sample; `portable verify --device vulkan` runs the whole list.
        VerificationCase[] cases = [.. VerificationCases.All.Where((_, i) => i % 1777 == 5)];
        using VulkanVerificationTarget target = new(vulkan.Context);
        VerificationReport report = Verifier.Run(cases, [new CpuVerificationTarget(), target]);
        Assert.True(report.Passed, string.Join("; ", report.Targets.SelectMany(t => t.Kernels.Where(k => k.Mismatches > 0).Select(k => $"{t.Name} {k.Name}: {k.Mismatches} of {k.Cases}"))));
        VulkanFixture.AssertNoValidationMessages();
    }

    // The paths of poorer devices: each feature gone, the same hash.
    [SkippableTheory]
    [InlineData("coopmat", "coopmat")]
    [InlineData("dot", "dot")]
    [InlineData("storage16", null)]
    public void VerificationGivesTheHashOfTheCpuWithoutAFeature(string masked, string? lost)
    {
        using VulkanContext gpu = VulkanContext.Open(FeatureMask.Parse(masked).Apply(vulkan.Context.Facts));
        using var target = new VulkanVerificationTarget(gpu);
        Assert.Equal(MatmulTechniques.All.Select(t => t.Name).Where(n => lost is null || !n.StartsWith(lost, StringComparison.Ordinal)), target.Kernels);
        VerificationCase[] cases = [.. VerificationCases.All.Where((_, i) => i % 2999 == 7)];
        VerificationReport report = Verifier.Run(cases, [new CpuVerificationTarget(), target]);
        Assert.True(report.Passed, string.Join("; ", report.Targets.SelectMany(t => t.Kernels.Where(k => k.Mismatches > 0).Select(k => $"{t.Name} {k.Name}: {k.Mismatches} of {k.Cases}"))));
        VulkanFixture.AssertNoValidationMessages();
    }

    [SkippableFact]
    public void ADeviceWithoutMatricesAndDotProductsServesToo()
    {
        VulkanDeviceFacts poor = FeatureMask.Parse("coopmat,dot,storage8,storage16").Apply(vulkan.Context.Facts);
        using VulkanContext gpu = VulkanContext.Open(poor);
        RandomMatmul matmul = RandomMatmul.Create(9, 40, 300, 0, new CodeFormat(3, false), new CodeFormat(4, false), 5);
        using GpuLinear linear = GpuLinear.Upload(gpu, [matmul.Linear]);
        using GpuActivations x = GpuActivations.Upload(gpu, matmul.Activations);
        using GpuBuffer y = gpu.Allocate(4 * 9 * 40);
        var dispatch = new GpuMatmul(gpu, SelfCheck.Of(gpu));
        Assert.Contains(dispatch.KernelFor(linear.Problem(9)).Technique, new[] { "naive", "popcount" });
        gpu.Run(r => dispatch.Record(r, linear, x.Addresses, 9, y.Address, 40));
        float[] got = new float[9 * 40], expected = new float[9 * 40];
        gpu.Download<float>(y, got);
        BitMatmul.Multiply(matmul.Activations, matmul.Linear, expected, 40);
        Assert.Equal(expected, got);
        VulkanFixture.AssertNoValidationMessages();
    }

    [SkippableFact]
    public void AForcedKernelThatDoesNotExistOrCannotServeIsAnError()
    {
        Assert.Contains("naive", Assert.Throws<VulkanException>(() => MatmulDispatcher.For(vulkan.Context, SelfCheck.Of(vulkan.Context), "tensor")).Message, StringComparison.Ordinal);
    }
}
