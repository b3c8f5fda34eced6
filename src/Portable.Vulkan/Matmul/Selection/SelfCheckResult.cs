using System.Text.Json;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Operands;
using Portable.Vulkan.Matmul.Techniques;

namespace Portable.Vulkan.Matmul.Selection;

/// <summary>What the self-check found on a device: kept on disk by device, driver and shaders, so that later processes need not run it.</summary>
/// <param name="Failures">Failed techniques and why.</param>
public sealed record SelfCheckResult(IReadOnlyDictionary<string, string> Failures)
{
    // Where first times are taken: a token, a few and many.
    internal static readonly int[] Tokens = [1, 8, 64];

    /// <summary>By technique and class of M: how much longer it takes than estimated, relative to the others ("dot 8").</summary>
    public IReadOnlyDictionary<string, double> Slowness { get; init; } = new Dictionary<string, double>();

    /// <summary>The class of M that first times of a problem are looked up by.</summary>
    internal static int ClassOf(int m) => Tokens.MinBy(t => Math.Abs(Math.Log2((double)t / m)));

    /// <summary>A technique's time on this device, in the dispatcher's estimates' units.</summary>
    internal double Estimate(MatmulTechnique technique, VulkanDeviceFacts device, MatmulProblem problem) =>
        technique.Estimate(device, problem) * Slowness.GetValueOrDefault($"{technique.Name} {ClassOf(problem.M)}", 1);

    /// <summary>A line for each technique that failed.</summary>
    /// <param name="device">What the lines call the device.</param>
    public IEnumerable<string> Messages(string device) =>
        Failures.Select(f => $"{device} does without its kernel '{f.Key}', which failed the self-check: {f.Value}");

    /// <summary>Keeps the result for later processes, where it can be written.</summary>
    public void Save(VulkanDeviceFacts device) => UserCache.TryWrite(PathOf(device), JsonSerializer.SerializeToUtf8Bytes(this));

    /// <summary>The result of an earlier check, or null.</summary>
    public static SelfCheckResult? TryRead(VulkanDeviceFacts device)
    {
        if (UserCache.TryRead(PathOf(device)) is { } data)
        {
            try
            {
                return JsonSerializer.Deserialize<SelfCheckResult>(data) is { Failures: not null, Slowness: not null } check ? check : null;
            }
            catch (JsonException)
            {
                // Damaged: check again.
            }
        }

        return null;
    }

    /// <summary>What a check belongs to: device, driver, shaders, and the masked features.</summary>
    public static string KeyOf(VulkanDeviceFacts device) => $"{device.Key}|{ShaderLibrary.Hash}|{device.CooperativeMatrix}{device.DotProduct}";

    private static string PathOf(VulkanDeviceFacts device) => UserCache.PathOf("checked", KeyOf(device)) + ".json";
}
