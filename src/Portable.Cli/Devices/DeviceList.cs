using System.Runtime.InteropServices;
using Portable.Calibration;
using Portable.Reference.Threading;
using Portable.Vulkan.Calibration;
using Portable.Vulkan.Contact;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.SelfChecks;

namespace Portable.Cli.Devices;

/// <summary>Every device of this machine, usable or not.</summary>
internal static class DeviceList
{
    /// <summary>The CPU first, then Vulkan devices by index; where there is none, one row that says why.</summary>
    public static IReadOnlyList<DeviceReport> All()
    {
        // The first look at a device with these shaders runs its first check, in a process of its own; later ones read the result.
        IReadOnlyList<(VulkanDeviceFacts Facts, SelfCheckResult? Check)> devices = CheckedDevices.List(out string? reason);
        IEnumerable<DeviceReport> vulkan = devices.Count > 0
            ? devices.Select(d => Of(d.Facts, d.Check))
            : [new DeviceReport("vulkan", "vulkan", "none", Usable: false, reason ?? "no device", [])];
        return [Cpu(), .. vulkan];
    }

    private static DeviceReport Cpu() => new(
        "cpu",
        "cpu",
        $"{RuntimeInformation.ProcessArchitecture}, {WorkerPool.Threads} threads, {CpuTier.Name}",
        Usable: true,
        Reason: null,
        CpuTier.Features)
    {
        TrainingArithmetics = CpuCalibration.Arithmetics,
        Note = CpuTier.UnusedLevel is { } level ? $"was compiled ahead of time for less than this processor has: published with -p:IlcInstructionSet={level} it is faster" : null,
    };

    private static DeviceReport Of(VulkanDeviceFacts facts, SelfCheckResult? check) => new(
        $"vulkan:{facts.Index}",
        "vulkan",
        $"{facts.Name} ({(facts.Kind == VulkanDeviceKind.Cpu ? "software on the CPU" : facts.Kind.ToString().ToLowerInvariant())}, {facts.Driver}, Vulkan {facts.ApiVersion}, {facts.MemoryBytes / (1 << 20)} MiB)",
        facts.Usable,
        facts.Refusal,
        [.. Features(facts)])
    {
        TrainingArithmetics = facts.Usable ? VulkanCalibration.ArithmeticsOf(facts) : [],
        SubgroupSize = facts.SubgroupSize,
        SharedMemoryBytes = facts.SharedMemoryBytes,
        MemoryBytes = facts.MemoryBytes,
        FailedKernels = check?.Failures is { Count: > 0 } failures ? failures : null,
        Note = check?.Note,
        TechniqueTimes = check?.Slowness is { Count: > 0 } times ? times : null,
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
