namespace Portable.Vulkan;

/// <summary>
/// Vulkan devices for <see cref="Device.Parse"/>. A program that references this package need do nothing: the names "vulkan",
/// "vulkan:0" and "vulkan:NAME" work, trimmed and compiled ahead of time too.
/// </summary>
public static class VulkanBackend
{
    /// <summary>
    /// Serves the names that begin with "vulkan". Called by <see cref="Device.Parse"/> where the package lies beside
    /// Portable.dll; programs that load assemblies in a way of their own call it once. Calling it again changes nothing.
    /// </summary>
    public static void Register() => DeviceKinds.Register("vulkan", selector => new VulkanDevice(selector));
}
