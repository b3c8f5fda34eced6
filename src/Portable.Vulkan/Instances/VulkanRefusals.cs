namespace Portable.Vulkan.Instances;

/// <summary>Why there is no device that can serve, each with what to do: no loader, an old loader, no driver, an old driver, a device that lacks something.</summary>
internal static class VulkanRefusals
{
    /// <summary>The version of Vulkan that the kernels are written for.</summary>
    public static Version Needed { get; } = new(1, 3);

    /// <summary>Nothing that could ask a driver.</summary>
    public static string NoLoader(IEnumerable<string> names) =>
        $"no Vulkan loader ({string.Join(" or ", names)}) was found; install the GPU vendor's driver, or your system's Vulkan loader package";

    /// <summary>A loader that does not know the version.</summary>
    public static string OldLoader(Version version) => $"the Vulkan loader is of version {version}, and {Needed} is needed; update the loader package";

    /// <summary>A loader that finds no driver, or only drivers without a device.</summary>
    public static string NoDriver => "the Vulkan loader is there, but no driver; install the GPU vendor's driver (Linux, AMD and Intel: Mesa's Vulkan drivers)";

    /// <summary>A device whose driver does not know the version.</summary>
    public static string OldDriver(Version version) => $"its driver offers Vulkan {version}, and {Needed} is needed; update the driver";

    /// <summary>A device with a driver that is new enough, and without something that the kernels use.</summary>
    public static string MissingFeatures(IEnumerable<string> names) => $"the device lacks {string.Join(", ", names)}, which the kernels need; a newer driver may offer it, or else the hardware is too old";
}
