using Portable.Vulkan.Contact;

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

    /// <summary>
    /// For programs published as one file or compiled ahead of time, first of all in Main: offers this program as the process in
    /// which a device is met first, and does that process's work where this is it. Other programs do not need it, and a program
    /// without it makes the first check inside itself.
    /// </summary>
    /// <param name="arguments">The program's arguments.</param>
    /// <param name="exitCode">What the program is to end with, where the result is true.</param>
    /// <returns>Whether this process was the helper; it has done its work then and ends.</returns>
    public static bool RunsHelper(string[] arguments, out int exitCode)
    {
        ArgumentNullException.ThrowIfNull(arguments);
        ContactProgram.OwnProgram = true;
        bool helper = arguments is [ContactProgram.Verb, ..];
        exitCode = helper ? ContactProgram.Run(arguments) : 0;
        return helper;
    }
}
