using System.Globalization;
using Portable.Cli.CommandLine;
using Portable.Cli.Output;
using Portable.Verification;
using Portable.Vulkan;
using Portable.Vulkan.Contact;
using Portable.Vulkan.SelfChecks;

namespace Portable.Cli.Devices;

/// <summary>The devices that <c>portable verify</c> runs on.</summary>
internal static class VerificationTargets
{
    /// <summary>Targets of <c>cpu</c>, <c>vulkan[:N|:NAME]</c> or <c>all</c>.</summary>
    /// <param name="text">Which.</param>
    /// <param name="terminal">Told what to know of a device.</param>
    /// <exception cref="UsageException">None of these.</exception>
    public static IReadOnlyList<IVerificationTarget> Of(string text, Terminal terminal) => text != "all"
        ? [Of(DeviceOption.Parse(text), terminal)]
        : [new CpuVerificationTarget(), .. CheckedDevices.List(out _).Where(d => d.Facts.Usable).Select(d => Of(new VulkanDevice(d.Facts.Index.ToString(CultureInfo.InvariantCulture)), terminal))];

    private static IVerificationTarget Of(Device device, Terminal terminal) =>
        device is VulkanDevice vulkan ? VulkanVerificationTarget.Owning(vulkan.OpenContext(terminal)) : new CpuVerificationTarget();
}
