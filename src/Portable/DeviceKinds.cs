using System.Collections.Concurrent;
using System.Reflection;
using Portable.Execution;

namespace Portable;

/// <summary>The kinds of devices that packages beside this one serve.</summary>
internal static class DeviceKinds
{
    private static readonly ConcurrentDictionary<string, Func<string?, Device>> Kinds = new(StringComparer.Ordinal);

    /// <summary>Serves a kind from now on.</summary>
    /// <param name="kind">What names begin with.</param>
    /// <param name="create">Makes a device from what follows the colon, or null.</param>
    public static void Register(string kind, Func<string?, Device> create) => Kinds[kind] = create;

    /// <summary>What makes devices of a kind.</summary>
    /// <exception cref="DeviceException">No package serves it.</exception>
    public static Func<string?, Device> Find(string kind)
    {
        if (Kinds.TryGetValue(kind, out Func<string?, Device>? known))
        {
            return known;
        }

        // A program that has the package need not name it. The names stand here as literals, so that a trimmer sees and keeps
        // them where the package is, and finds nothing to keep where it is not.
        Type.GetType("Portable.Vulkan.VulkanBackend, Portable.Vulkan")?.GetMethod("Register", BindingFlags.Public | BindingFlags.Static, [])?.Invoke(null, null);
        return Kinds.TryGetValue(kind, out known)
            ? known
            : throw new DeviceException($"No package of this program serves '{kind}' devices: add the package Portable.Vulkan, or use the device cpu.");
    }
}
