using System.CommandLine;
using System.Text.Json.Serialization;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Vulkan.SelfChecks;

namespace Portable.Cli.Verbs;

/// <summary>A device that could be asked for.</summary>
/// <param name="Name">What <c>--device</c> takes.</param>
/// <param name="Kind">cpu or vulkan.</param>
/// <param name="Description">The hardware and its driver.</param>
/// <param name="Usable">Whether it can serve.</param>
/// <param name="Reason">Why not, where it cannot.</param>
/// <param name="Features">What it offers the kernels.</param>
public sealed record DeviceReport(string Name, string Kind, string Description, bool Usable, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Reason, IReadOnlyList<string> Features)
{
    /// <summary>Invocations of a subgroup, of a Vulkan device.</summary>
    public int? SubgroupSize { get; init; }

    /// <summary>Shared memory of a workgroup in bytes, of a Vulkan device.</summary>
    public int? SharedMemoryBytes { get; init; }

    /// <summary>Device-local memory in bytes, of a Vulkan device.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>Kernels of a Vulkan device that failed its self-check and are not used, with what was wrong; null where none is known to.</summary>
    public IReadOnlyDictionary<string, string>? FailedKernels { get; init; }
}

/// <summary>The answer of <c>portable devices</c>.</summary>
/// <param name="Devices">The CPU first, then Vulkan devices by index.</param>
/// <param name="Tier">The CPU's instruction tier in this process.</param>
public sealed record DevicesReport(IReadOnlyList<DeviceReport> Devices, string Tier);

/// <summary>Lists what models can run on.</summary>
public sealed class DevicesVerb() : Verb(
    "devices",
    "Lists the CPU's instruction tier and the Vulkan devices: what each can do, and why one is refused.",
    new Example("portable devices", "a table"),
    new Example("portable devices --json", "the same for programs"))
{
    // The table leaves out matrices that no kernel multiplies with; the JSON has them all.
    private static bool IsTelling(string feature) => !feature.StartsWith("matrix:", StringComparison.Ordinal) || feature.Contains(" Int8·Int8", StringComparison.Ordinal);

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        var report = new DevicesReport(DeviceList.All(), CpuTier.Name);
        terminal.Result(report, JsonReports.Default.DevicesReport, r =>
        {
            terminal.Table(["device", "hardware", "usable", "features"], r.Devices.Select(d => (string[])[d.Name, d.Description, d.Usable ? "yes" : "no", string.Join(' ', d.Features.Where(IsTelling))]));
            foreach (DeviceReport refused in r.Devices.Where(d => !d.Usable))
            {
                terminal.Line($"{refused.Name} is not usable: {refused.Reason}");
            }

            foreach (string message in r.Devices.SelectMany(d => d.FailedKernels is { } failed ? new SelfCheck(failed).Messages(d.Name) : []))
            {
                terminal.Line(message);
            }
        });
        return Tool.Done;
    }
}
