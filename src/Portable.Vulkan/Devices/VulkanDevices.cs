using System.Globalization;
using Portable.Vulkan.Instances;

namespace Portable.Vulkan.Devices;

/// <summary>Lists Vulkan devices and chooses one.</summary>
internal static class VulkanDevices
{
    private const string CpuWorks = "The device cpu always works.";

    /// <summary>Every device with its facts (features masked as the environment says); empty with a reason when there is no Vulkan.</summary>
    public static IReadOnlyList<VulkanDeviceFacts> List(out string? reason)
    {
        using VulkanInstance? instance = VulkanInstance.TryAcquire(out reason);
        if (instance is null)
        {
            return [];
        }

        FeatureMask mask = FeatureMask.FromEnvironment();
        VulkanDeviceFacts[] devices = [.. DeviceQuery.Enumerate(instance).Select((d, i) => mask.Apply(DeviceQuery.Read(instance, d, i)))];
        reason = devices.Length == 0 ? VulkanRefusals.NoDriver : null;
        return devices;
    }

    /// <summary>Chooses a device of this machine.</summary>
    /// <param name="wanted">Null or "" for the best; an index; or part of a name.</param>
    /// <exception cref="VulkanException">There is none, or the one asked for cannot serve; the message says why and what would work.</exception>
    public static VulkanDeviceFacts Select(string? wanted = null) => Select(List(out string? reason), reason, wanted);

    /// <summary>Chooses a device of a list.</summary>
    /// <param name="devices">The list; it may be empty.</param>
    /// <param name="reason">Why it is, where it is.</param>
    /// <param name="wanted">Null or "" for the best; an index; or part of a name.</param>
    /// <exception cref="VulkanException">There is none, or the one asked for cannot serve; the message says why and what would work.</exception>
    public static VulkanDeviceFacts Select(IReadOnlyList<VulkanDeviceFacts> devices, string? reason, string? wanted) => devices.Count == 0
        ? throw new VulkanException($"No Vulkan device: {reason}.", CpuWorks)
        : Choose(devices, wanted);

    /// <summary>Chooses among devices: discrete before integrated, virtual and CPU; ties by index.</summary>
    /// <param name="devices">At least one.</param>
    /// <param name="wanted">Null or "" for the best; an index; or part of a name.</param>
    /// <exception cref="VulkanException">The one asked for does not exist or cannot serve.</exception>
    public static VulkanDeviceFacts Choose(IReadOnlyList<VulkanDeviceFacts> devices, string? wanted)
    {
        string names = string.Join("; ", devices.Select(d => $"{d.Index}: {d.Name}{(d.Usable ? "" : " (not usable)")}"));
        if (string.IsNullOrEmpty(wanted))
        {
            return devices.Where(d => d.Usable).OrderBy(d => d.Kind).ThenBy(d => d.Index).FirstOrDefault()
                ?? throw new VulkanException($"No Vulkan device can serve: {string.Join("; ", devices.Select(d => $"{d.Name}: {d.Refusal}"))}.", CpuWorks);
        }

        VulkanDeviceFacts? device = int.TryParse(wanted, NumberStyles.None, CultureInfo.InvariantCulture, out int index)
            ? devices.FirstOrDefault(d => d.Index == index)
            : devices.FirstOrDefault(d => d.Name.Contains(wanted, StringComparison.OrdinalIgnoreCase));
        if (device is null)
        {
            throw new VulkanException($"No Vulkan device '{wanted}'; there are {names}.");
        }

        return device.Usable ? device : throw new VulkanException($"Vulkan device {device.Index} ({device.Name}) cannot serve: {device.Refusal}. There are {names}.");
    }
}
