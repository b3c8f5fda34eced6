using System.Text.Json.Serialization;

namespace Portable.Cli.Devices;

/// <summary>A device that could be asked for.</summary>
/// <param name="Name">What <c>--device</c> takes.</param>
/// <param name="Kind">cpu or vulkan.</param>
/// <param name="Description">The hardware and its driver.</param>
/// <param name="Usable">Whether it can serve.</param>
/// <param name="Reason">Why not, where it cannot.</param>
/// <param name="Features">What it offers the kernels.</param>
internal sealed record DeviceReport(string Name, string Kind, string Description, bool Usable, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] string? Reason, IReadOnlyList<string> Features)
{
    /// <summary>Invocations of a subgroup, of a Vulkan device.</summary>
    public int? SubgroupSize { get; init; }

    /// <summary>Shared memory of a workgroup in bytes, of a Vulkan device.</summary>
    public int? SharedMemoryBytes { get; init; }

    /// <summary>Device-local memory in bytes, of a Vulkan device.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>What else there is to say of a Vulkan device's first check, or of what this program leaves unused of the CPU; null where nothing.</summary>
    public string? Note { get; init; }

    /// <summary>What methods that train can compute in there, the fastest first: what <c>--arithmetic</c> takes, auto being the first. Empty where nothing calibrates.</summary>
    public IReadOnlyList<string> TrainingArithmetics { get; init; } = [];

    /// <summary>First times of a Vulkan device: what each technique takes for a token, a few and many ("dot 8"), over the fastest; null where none were taken.</summary>
    public IReadOnlyDictionary<string, double>? TechniqueTimes { get; init; }

    /// <summary>Kernels of a Vulkan device that failed its self-check and are not used, with what was wrong; null where none is known to.</summary>
    public IReadOnlyDictionary<string, string>? FailedKernels { get; init; }
}
