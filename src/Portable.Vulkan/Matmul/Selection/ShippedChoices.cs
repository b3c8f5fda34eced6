using System.Reflection;

namespace Portable.Vulkan.Matmul.Selection;

/// <summary>
/// The tuned choices that come with the assembly, one text file per family of devices in src/Portable.Vulkan/Measured, written
/// by <c>portable bench tune --export</c>. The first line names the device that was measured, and further families that take
/// the same choices after semicolons; each other line is a problem's key, " = " and the kernel measured best.
/// </summary>
internal static class ShippedChoices
{
    private const string Folder = "measured/";

    /// <summary>The files: the names of the devices they serve, and the choices.</summary>
    public static IReadOnlyList<(IReadOnlyList<string> Devices, IReadOnlyDictionary<string, string> Choices)> All { get; } =
        [.. Assembly.GetExecutingAssembly().GetManifestResourceNames().Where(n => n.StartsWith(Folder, StringComparison.Ordinal)).Order(StringComparer.Ordinal).Select(Read)];

    /// <summary>The choices for a device: of the first file that has a device whose name this one begins with, or none.</summary>
    public static IReadOnlyDictionary<string, string> For(string device) =>
        All.FirstOrDefault(f => f.Devices.Any(d => device.StartsWith(d, StringComparison.Ordinal))).Choices ?? new Dictionary<string, string>();

    private static (IReadOnlyList<string>, IReadOnlyDictionary<string, string>) Read(string name)
    {
        using var reader = new StreamReader(Assembly.GetExecutingAssembly().GetManifestResourceStream(name)!);
        string[] devices = reader.ReadLine()!.TrimStart('#').Split(';', StringSplitOptions.TrimEntries);
        Dictionary<string, string> choices = [];
        while (reader.ReadLine() is { } line)
        {
            int split = line.IndexOf(" = ", StringComparison.Ordinal);
            choices.Add(line[..split], line[(split + 3)..]);
        }

        return (devices, choices);
    }
}
