using System.Collections.Concurrent;
using System.Globalization;
using System.Text.Json;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Techniques;

namespace Portable.Vulkan.Matmul.Selection;

/// <summary>What the self-check found on a device: kept on disk by device, driver and shaders, so that later processes need not run it.</summary>
/// <param name="Failures">Failed techniques and why.</param>
internal sealed record SelfCheckResult(IReadOnlyDictionary<string, string> Failures)
{
    // What this process has found, for where it cannot be kept on disk.
    private static readonly ConcurrentDictionary<string, SelfCheckResult> Known = new();

    // Where first times are taken: a token, a few and many.
    internal static readonly int[] Tokens = [1, 8, 64];

    /// <summary>By technique and class of M: how much longer it takes than estimated, relative to the others ("dot 8").</summary>
    public IReadOnlyDictionary<string, double> Slowness { get; init; } = new Dictionary<string, double>();

    /// <summary>By class of M: the nanoseconds that the fastest technique takes for one of its estimate, on this device.</summary>
    public IReadOnlyDictionary<string, double> Pace { get; init; } = new Dictionary<string, double>();

    /// <summary>How a single row's decode step is fastest.</summary>
    public DecodePlan DecodePlan { get; init; }

    /// <summary>Why the device must not be used at all, or null.</summary>
    public string? Refusal { get; init; }

    /// <summary>Features that the device does without (names of <see cref="FeatureMask"/>), because its driver did not survive them; or null.</summary>
    public string? Without { get; init; }

    /// <summary>What else there is to say of the check, or null.</summary>
    public string? Note { get; init; }

    /// <summary>How <see cref="Pace"/> names the class of M.</summary>
    internal static string PaceKey(int m) => ClassOf(m).ToString(CultureInfo.InvariantCulture);

    /// <summary>The class of M that first times of a problem are looked up by.</summary>
    internal static int ClassOf(int m) => Tokens.MinBy(t => Math.Abs(Math.Log2((double)t / m)));

    /// <summary>A technique's time on this device, in the dispatcher's estimates' units.</summary>
    internal double Estimate(MatmulTechnique technique, VulkanDeviceFacts device, MatmulProblem problem) =>
        technique.Estimate(device, problem) * Slowness.GetValueOrDefault($"{technique.Name} {ClassOf(problem.M)}", 1);

    /// <summary>A line for each technique that failed.</summary>
    /// <param name="device">What the lines call the device.</param>
    public IEnumerable<string> Messages(string device) =>
        [.. Failures.Select(f => $"{device} does without its kernel '{f.Key}', which failed the self-check: {f.Value}"), .. Note is null ? Array.Empty<string>() : [$"{device} {Note}"]];

    /// <summary>Nanoseconds that work of an estimate takes on this device; a slow device is assumed where nothing was measured.</summary>
    /// <param name="estimate">The estimate (<see cref="MatmulTechnique.Estimate"/>).</param>
    /// <param name="m">Tokens.</param>
    internal double Nanoseconds(double estimate, int m)
    {
        const double SlowDevice = 30;
        return estimate * Pace.GetValueOrDefault(PaceKey(m), SlowDevice);
    }

    /// <summary>Keeps the result for later processes, where it can be written.</summary>
    public void Save(VulkanDeviceFacts device)
    {
        Known[PathOf(device)] = this;
        UserCache.TryWrite(PathOf(device), ToJson());
    }

    /// <summary>The facts of a device as it may be used: refused, or without what its driver did not survive.</summary>
    public VulkanDeviceFacts Apply(VulkanDeviceFacts device) => FeatureMask.Parse(Without).Apply(device) with { Refusal = Refusal };

    /// <summary>The result as it is kept on disk.</summary>
    internal byte[] ToJson() => JsonSerializer.SerializeToUtf8Bytes(this, SelectionJson.Default.SelfCheckResult);

    /// <summary>Reads a kept result; null where it is damaged.</summary>
    internal static SelfCheckResult? Parse(byte[] json)
    {
        try
        {
            return JsonSerializer.Deserialize(json, SelectionJson.Default.SelfCheckResult) is { Failures: not null, Slowness: not null, Pace: not null } check ? check : null;
        }
        catch (JsonException)
        {
            return null;
        }
    }

    /// <summary>The result of an earlier check, or null.</summary>
    public static SelfCheckResult? TryRead(VulkanDeviceFacts device)
    {
        if (Known.TryGetValue(PathOf(device), out SelfCheckResult? known))
        {
            return known;
        }

        // One that is damaged counts as none.
        return UserCache.TryRead(PathOf(device)) is { } data ? Parse(data) : null;
    }

    /// <summary>What a check belongs to: device, driver, shaders, and what kernels are chosen by.</summary>
    public static string KeyOf(VulkanDeviceFacts device) => FormattableString.Invariant(
        $"{device.Key}|{ShaderLibrary.Hash}|{device.CooperativeMatrix}{device.DotProduct}|{device.SubgroupSize} {device.SharedMemoryBytes} {device.MaximumInvocations}");

    internal static string PathOf(VulkanDeviceFacts device) => UserCache.PathOf("checked", KeyOf(device)) + ".json";
}
