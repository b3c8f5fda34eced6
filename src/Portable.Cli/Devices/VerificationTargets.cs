using System.Globalization;
using Portable.Cli.CommandLine;
using Portable.Verification;
using Portable.Vulkan.Devices;
using Portable.Vulkan.SelfChecks;

namespace Portable.Cli.Devices;

/// <summary>The devices that <c>portable verify</c> runs on.</summary>
public static class VerificationTargets
{
    /// <summary>Targets of <c>cpu</c>, <c>vulkan[:N|:NAME]</c> or <c>all</c>.</summary>
    /// <exception cref="UsageException">None of these.</exception>
    public static IReadOnlyList<IVerificationTarget> Of(string text)
    {
        if (text != "all")
        {
            return [Of(DeviceSelection.Parse(text))];
        }

        return [new CpuVerificationTarget(), .. VulkanDevices.List(out _).Where(d => d.Usable).Select(d => VulkanVerificationTarget.Open(d.Index.ToString(CultureInfo.InvariantCulture)))];
    }

    private static IVerificationTarget Of(DeviceSelection selection) =>
        selection.Vulkan ? VulkanVerificationTarget.Open(selection.Selector) : new CpuVerificationTarget();
}
