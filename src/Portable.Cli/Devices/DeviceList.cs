using System.Runtime.InteropServices;
using Portable.Cli.Verbs;
using Portable.Vulkan.Devices;

namespace Portable.Cli.Devices;

/// <summary>Every device of this machine, usable or not.</summary>
public static class DeviceList
{
    /// <summary>The CPU first, then Vulkan devices by index; where there is none, one row that says why.</summary>
    public static IReadOnlyList<DeviceReport> All()
    {
        IReadOnlyList<VulkanDeviceFacts> devices = VulkanDevices.List(out string? reason);
        IEnumerable<DeviceReport> vulkan = devices.Count > 0
            ? devices.Select(Of)
            : [new DeviceReport("vulkan", "vulkan", "none", Usable: false, reason ?? "no device", [])];
        return [Cpu(), .. vulkan];
    }

    private static DeviceReport Cpu() => new(
        "cpu",
        "cpu",
        $"{RuntimeInformation.ProcessArchitecture}, {Environment.ProcessorCount} threads, {CpuTier.Name}",
        Usable: true,
        Reason: null,
        CpuTier.Features);

    private static DeviceReport Of(VulkanDeviceFacts facts) => new(
        $"vulkan:{facts.Index}",
        "vulkan",
        $"{facts.Name} ({facts.Kind.ToString().ToLowerInvariant()}, {facts.Driver}, Vulkan {facts.ApiVersion}, {facts.MemoryBytes / (1 << 20)} MiB)",
        facts.Usable,
        facts.Refusal,
        [.. Features(facts)])
    {
        SubgroupSize = facts.SubgroupSize,
        SharedMemoryBytes = facts.SharedMemoryBytes,
        MemoryBytes = facts.MemoryBytes,
    };

    private static IEnumerable<string> Features(VulkanDeviceFacts facts)
    {
        (string Name, bool Present)[] all =
        [
            ("int8", facts.ShaderInt8), ("storage8", facts.Storage8), ("storage16", facts.Storage16), ("dot", facts.DotProduct),
            ("dot-accelerated", facts.DotProductAccelerated), ("matrix2", facts.CooperativeMatrix2),
        ];
        return all.Where(f => f.Present).Select(f => f.Name).Concat(facts.CooperativeMatrix ? facts.Matrices.Select(m => $"matrix:{m}").Distinct() : []);
    }
}
