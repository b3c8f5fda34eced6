using System.Runtime.InteropServices;
using Silk.NET.Core.Contexts;
using Silk.NET.Vulkan;

namespace Portable.Vulkan.Instances;

/// <summary>
/// Finds the Vulkan loader by its well-known names. Loading it here, and not through Silk's search of dependency files, also
/// works in a single-file program.
/// </summary>
internal static unsafe class VulkanLoader
{
    private static readonly string[] Names = OperatingSystem.IsWindows()
        ? ["vulkan-1.dll"]
        : OperatingSystem.IsMacOS() ? ["libvulkan.1.dylib", "libvulkan.dylib", "libMoltenVK.dylib"] : ["libvulkan.so.1", "libvulkan.so"];

    private static readonly Lock Gate = new();
    private static Vk? s_api;

    /// <summary>The API, or null with the reason when there is no loader.</summary>
    public static Vk? TryLoad(out string? reason)
    {
        lock (Gate)
        {
            reason = null;
            if (s_api is not null)
            {
                return s_api;
            }

            foreach (string name in Names)
            {
                if (NativeLibrary.TryLoad(name, out nint library))
                {
                    // Core entry points are exported; whatever is not comes from vkGetInstanceProcAddr of the current instance.
                    Vk? api = null;
                    api = new Vk(new LamdaNativeContext(symbol =>
                        NativeLibrary.TryGetExport(library, symbol, out nint address) ? address : InstanceProc(api, symbol)));
                    return s_api = api;
                }
            }

            reason = VulkanRefusals.NoLoader(Names);
            return null;
        }
    }

    private static nint InstanceProc(Vk? api, string symbol) =>
        api?.CurrentInstance is { } instance ? (nint)api.GetInstanceProcAddr(instance, symbol).Handle : 0;
}
