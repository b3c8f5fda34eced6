using System.Diagnostics;
using Portable.Vulkan.Contact;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Selection;
using Xunit;

namespace Portable.Tests.Vulkan.Contact;

/// <summary>A driver that crashes, hangs or computes wrongly loses its device, never the process.</summary>
[Collection("Vulkan")]
public sealed class FirstContactTests(VulkanFixture vulkan)
{
    private static readonly VulkanDeviceFacts Invented = new() { Name = "invented", Driver = "none 1" };

    [SkippableTheory]
    [InlineData("echo 'step building kernels'; kill -ILL $$", "illegal instruction", "building kernels")]
    [InlineData("echo 'step building kernels'; kill -SEGV $$", "segmentation fault", "building kernels")]
    [InlineData("echo 'step opening the device'; echo noise; exit 3", "code 3", "opening the device")]
    public void AChildThatCrashesRefusesTheDevice(string script, string cause, string step)
    {
        Skip.If(OperatingSystem.IsWindows(), "a shell and signals");
        SelfCheckResult check = FirstContact.Run(Invented, Shell(script), TimeSpan.FromMinutes(5));
        Assert.Contains(cause, check.Refusal, StringComparison.Ordinal);
        Assert.Contains(step, check.Refusal, StringComparison.Ordinal);
    }

    [SkippableTheory]
    [InlineData("echo 'step checking kernels'; kill -SEGV $$", false)]
    [InlineData("echo 'step checking kernels'; echo 'result {\"Failures\":{},\"Slowness\":{},\"Pace\":{}}'", true)]
    public void ADriverThatCrashesOverMatricesLosesThemAndOneThatCrashesWithoutLosesItsDevice(string without, bool usable)
    {
        Skip.If(OperatingSystem.IsWindows(), "a shell and signals");
        VulkanDeviceFacts device = Invented with { CooperativeMatrix = true, Matrices = [new(8, 8, 8, MatrixElement.Int8, MatrixElement.Int8, MatrixElement.Int32)] };
        SelfCheckResult check = FirstContact.Run(device, Shell($"case $PORTABLE_VULKAN_MASK in *coopmat*) {without}; exit 0;; esac; echo 'step checking kernels'; kill -SEGV $$"), TimeSpan.FromMinutes(5));
        VulkanDeviceFacts applied = check.Apply(device);
        Assert.Equal(usable, applied.Usable);
        Assert.Equal(!usable, applied.CooperativeMatrix);
        Assert.Contains("segmentation fault", usable ? check.Note : check.Refusal, StringComparison.Ordinal);
        Assert.Equal(check.Apply(device), SelfCheckResult.Parse(check.ToJson())!.Apply(device) with { Matrices = applied.Matrices });
    }

    [SkippableFact]
    public void AChildThatHangsIsEndedAndRefusesTheDevice()
    {
        Skip.If(OperatingSystem.IsWindows(), "a shell");
        SelfCheckResult check = FirstContact.Run(Invented, Shell("echo 'step checking kernels'; sleep 100000"), TimeSpan.FromSeconds(1));
        Assert.Contains("did not end within 1 s", check.Refusal, StringComparison.Ordinal);
    }

    [SkippableFact]
    public void TheHelperProvesThisDevice()
    {
        VulkanDeviceFacts facts = vulkan.Context.Facts;
        ProcessStartInfo command = ContactProgram.Command(facts, out string? reason) ?? throw new InvalidOperationException(reason);
        SelfCheckResult check = FirstContact.Run(facts, command, TimeSpan.FromMinutes(30));
        Assert.Null(check.Refusal);
        Assert.Null(check.Note);
        Assert.Empty(check.Failures);
        Assert.Equal(["1", "64", "8"], check.Pace.Keys.Order(StringComparer.Ordinal));
    }

    [SkippableTheory]
    [InlineData("crash", "ended the process of the first check", 1800)]
    [InlineData("hang", "did not end within", 20)]
    public void AFaultInTheHelperIsFound(string fault, string message, int seconds)
    {
        VulkanDeviceFacts facts = vulkan.Context.Facts;
        ProcessStartInfo command = ContactProgram.Command(facts, out string? reason) ?? throw new InvalidOperationException(reason);
        command.ArgumentList.Add("--plant");
        command.ArgumentList.Add(fault);
        Assert.Contains(message, FirstContact.Run(facts, command, TimeSpan.FromSeconds(seconds)).Refusal, StringComparison.Ordinal);
    }

    // Kernels compared with one another on the same device would not show these.
    [SkippableTheory]
    [InlineData("attention")]
    [InlineData("norm")]
    public void AKernelThatIsWrongInOnePlaceIsFoundByWholeModels(string fault)
    {
        using VulkanContext gpu = VulkanContext.Open(vulkan.Context.Facts);
        Assert.Null(ModelCheck.Run(gpu, new SelfCheckResult(new Dictionary<string, string>()), _ => { }));
        PlantedFaults.Plant(gpu, fault);
        Assert.Contains("are not the CPU's", ModelCheck.Run(gpu, new SelfCheckResult(new Dictionary<string, string>()), _ => { }), StringComparison.Ordinal);
        VulkanFixture.AssertNoValidationMessages();
    }

    private static ProcessStartInfo Shell(string script) => new("/bin/sh", ["-c", script]) { RedirectStandardOutput = true, RedirectStandardError = true };
}
