using Portable.Vulkan.Devices;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Selection;

namespace Portable.Vulkan.Contact;

/// <summary>Devices that have stood their first check: how programs list and choose them.</summary>
internal static class CheckedDevices
{
    /// <summary>Every device with its facts, and refused where its first check went wrong; those never met are checked now.</summary>
    /// <param name="reason">Why there is none.</param>
    public static IReadOnlyList<(VulkanDeviceFacts Facts, SelfCheckResult? Check)> List(out string? reason) =>
        [.. VulkanDevices.List(out reason).Select(d => d.Usable ? (FirstContact.Ensure(d) is { } c ? With(d, c) : (d, null)) : (d, null))];

    /// <summary>Chooses a device that has stood its first check.</summary>
    /// <param name="wanted">Null or "" for the best that can serve; an index; or part of a name.</param>
    /// <exception cref="VulkanException">There is none, or the one asked for cannot serve; the message says why.</exception>
    public static VulkanDeviceFacts Choose(string? wanted = null)
    {
        IReadOnlyList<VulkanDeviceFacts> devices = [.. VulkanDevices.List(out string? reason).Select(FirstContact.Apply)];
        while (true)
        {
            VulkanDeviceFacts chosen = VulkanDevices.Select(devices, reason, wanted);
            SelfCheckResult check = FirstContact.Ensure(chosen);
            if (check.Refusal is not { } refusal)
            {
                return check.Apply(chosen);
            }

            // Named: refused in words. The best: the next best, until none is left.
            devices = [.. devices.Select(d => d.Index == chosen.Index ? d with { Refusal = refusal } : d)];
        }
    }

    private static (VulkanDeviceFacts Facts, SelfCheckResult? Check) With(VulkanDeviceFacts facts, SelfCheckResult check) => (check.Apply(facts), check);
}
