using System.Diagnostics;
using Portable.Cli.Devices;
using Portable.Reference.BitPlanes;
using Portable.Vulkan.Contact;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.SelfChecks;
using Xunit;

namespace Portable.Tests.Vulkan;

[CollectionDefinition("User cache", DisableParallelization = true)]
public sealed class UserCacheCollection : ICollectionFixture<VulkanFixture>;

/// <summary>What was found about a device is kept in a folder, which a variable of the process names: nothing else runs meanwhile.</summary>
[Collection("User cache")]
public sealed class UserCacheTests : IDisposable
{
    private const string Variable = "PORTABLE_CACHE";
    private readonly VulkanFixture _vulkan;
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("portable-cache");
    private readonly string? _before = Environment.GetEnvironmentVariable(Variable);

    public UserCacheTests(VulkanFixture vulkan)
    {
        _vulkan = vulkan;
        Environment.SetEnvironmentVariable(Variable, _folder.FullName);
    }

    public void Dispose()
    {
        Environment.SetEnvironmentVariable(Variable, _before);
        _folder.Delete(recursive: true);
    }

    [SkippableFact]
    public void DevicesNamesTheKernelsThatFailed()
    {
        VulkanDeviceFacts facts = _vulkan.Context.Facts;
        Assert.Null(SelfCheckResult.TryRead(facts));
        new SelfCheckResult(new Dictionary<string, string> { ["dot"] = "3 of 7 results are wrong" }).Save(facts);
        DeviceReport report = DeviceList.All().Single(d => d.Name == $"vulkan:{facts.Index}");
        Assert.Equal(["dot"], report.FailedKernels!.Keys);
        Assert.Contains("3 of 7", report.FailedKernels["dot"], StringComparison.Ordinal);
        Assert.DoesNotContain("dot", MatmulDispatcher.For(_vulkan.Context, SelfCheck.Load(_vulkan.Context)).Choose(new MatmulProblem(1, 512, new GroupLayout(1024), new CodeFormat(4, true), new CodeFormat(8, true))).Technique, StringComparison.Ordinal);
    }

    // Without a child the check runs in this process, between two marks: the first alone is what a crash leaves.
    [Fact]
    public void AMarkWithoutItsSecondRefusesTheDeviceWhereNoChildCanBeStarted()
    {
        VulkanDeviceFacts invented = new() { Name = "invented", Driver = "none 1" };
        File.WriteAllBytes(SelfCheckResult.PathOf(invented) + ".begun", [1]);
        ProcessStartInfo missing = new(Path.Combine(_folder.FullName, "missing")) { RedirectStandardOutput = true, RedirectStandardError = true };
        SelfCheckResult check = FirstContact.Run(invented, missing, TimeSpan.FromMinutes(5));
        Assert.Contains("an earlier first check did not end", check.Refusal, StringComparison.Ordinal);
    }
}
