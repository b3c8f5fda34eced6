using Portable.Execution;

namespace Portable;

/// <summary>
/// Where models run. A device is a choice, not an opened resource: it is opened by <see cref="LanguageModel.Open(string, Device)"/>
/// or <see cref="Quantizer.Run"/>, and costs nothing until then. Immutable and safe to share between threads.
/// </summary>
/// <remarks>A quantized model gives the same bits on every device.</remarks>
public abstract class Device
{
    // Closed: the devices are those of this package and of Portable.Vulkan.
    private protected Device(string name) => Name = name;

    /// <summary>The managed CPU: every instruction tier, always there.</summary>
    public static Device Cpu { get; } = new CpuDevice();

    /// <summary>The name, as <see cref="Parse"/> takes it.</summary>
    public string Name { get; }

    /// <summary>A device by name.</summary>
    /// <param name="name"><c>cpu</c>; <c>vulkan</c>, the best GPU; <c>vulkan:0</c>, the GPU of that index; or <c>vulkan:NAME</c>, one whose name has that part.</param>
    /// <exception cref="FormatException">There are no devices of such a name.</exception>
    /// <exception cref="DeviceException">The package that serves such devices is not part of the program.</exception>
    public static Device Parse(string name)
    {
        ArgumentNullException.ThrowIfNull(name);
        string[] parts = name.Split(':', 2);
        return (parts[0], parts.Length) switch
        {
            ("cpu", 1) => Cpu,
            ("vulkan", 1) => DeviceKinds.Find("vulkan")(null),
            ("vulkan", 2) when parts[1].Length > 0 => DeviceKinds.Find("vulkan")(parts[1]),
            _ => throw new FormatException($"The device '{name}' is neither cpu nor vulkan[:N|:NAME]."),
        };
    }

    /// <inheritdoc/>
    public override string ToString() => Name;

    /// <summary>Opens the device; the caller owns what it gets.</summary>
    /// <param name="say">Told, a line each, what the device has to do without.</param>
    /// <exception cref="DeviceException">No such device, or it cannot serve; the message says why and what would work.</exception>
    internal abstract OpenedDevice Open(Action<string>? say);
}
