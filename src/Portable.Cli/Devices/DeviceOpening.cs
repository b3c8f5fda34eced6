using Portable.Cli.Output;
using Portable.Execution;
using Portable.Vulkan;
using Portable.Vulkan.Engine;

namespace Portable.Cli.Devices;

/// <summary>How verbs open a device: what is to know of it before the work is a warning, the same of all of them.</summary>
internal static class DeviceOpening
{
    /// <summary>Opens a device; the caller owns it.</summary>
    /// <param name="device">The device.</param>
    /// <param name="terminal">Where warnings go.</param>
    public static OpenedDevice Open(this Device device, Terminal terminal) => device.Open(terminal.Warning);

    /// <summary>Opens a Vulkan device without the self-checks of its kernels; the caller owns it.</summary>
    /// <param name="device">The device.</param>
    /// <param name="terminal">Where warnings go.</param>
    public static VulkanContext OpenContext(this VulkanDevice device, Terminal terminal) => device.OpenContext(terminal.Warning);
}
