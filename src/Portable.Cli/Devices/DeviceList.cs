using System.Runtime.InteropServices;
using Portable.Cli.Verbs;

namespace Portable.Cli.Devices;

/// <summary>Every device of this machine, usable or not.</summary>
public static class DeviceList
{
    /// <summary>The CPU first, then Vulkan devices by index.</summary>
    public static IReadOnlyList<DeviceReport> All() => [Cpu()];

    private static DeviceReport Cpu() => new(
        "cpu",
        "cpu",
        $"{RuntimeInformation.ProcessArchitecture}, {Environment.ProcessorCount} threads, {CpuTier.Name}",
        Usable: true,
        Reason: null,
        CpuTier.Features);
}
