using System.CommandLine;
using Portable.Cli.CommandLine;
using Portable.Cli.Output;
using Portable.Execution;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Model;
using Portable.Vulkan.SelfChecks;

namespace Portable.Cli.Devices;

/// <summary>
/// What <c>--device</c> asks for: the CPU, or a Vulkan device by index or by part of its name. The one place where a
/// device is chosen; asked for one that cannot serve, it fails and says what would work.
/// </summary>
/// <param name="Vulkan">A Vulkan device; otherwise the CPU.</param>
/// <param name="Selector">Index or part of the name of the Vulkan device; null = the best.</param>
public sealed record DeviceSelection(bool Vulkan, string? Selector)
{
    /// <summary>The managed CPU.</summary>
    public static DeviceSelection Cpu { get; } = new(false, null);

    /// <summary>Creates the option <c>--device</c>.</summary>
    /// <param name="what">What the device does for the verb.</param>
    /// <param name="standard">What it is where the option is not given.</param>
    public static Option<string> CreateOption(string what = "Where it runs", string standard = "cpu") => new("--device")
    {
        Description = $"{what} (see `portable devices`).",
        HelpName = "cpu|vulkan[:N|:NAME]",
        DefaultValueFactory = _ => standard,
    };

    /// <summary>Reads <c>cpu</c>, <c>vulkan</c>, <c>vulkan:N</c> or <c>vulkan:NAME</c>.</summary>
    /// <exception cref="UsageException">Any other text.</exception>
    public static DeviceSelection Parse(string text)
    {
        string[] parts = text.Split(':', 2);
        return (parts[0], parts.Length) switch
        {
            ("cpu", 1) => Cpu,
            ("vulkan", 1) => new DeviceSelection(true, null),
            ("vulkan", 2) when parts[1].Length > 0 => new DeviceSelection(true, parts[1]),
            _ => throw new UsageException($"--device '{text}' is neither cpu nor vulkan[:N|:NAME]"),
        };
    }

    /// <summary>The executor of the chosen device; the caller owns it.</summary>
    /// <param name="terminal">Told which kernels the device has to do without.</param>
    /// <exception cref="InvalidOperationException">No such device, or it cannot serve.</exception>
    public Executor CreateExecutor(Terminal terminal) => OpenContext(terminal) is { } gpu ? new VulkanExecutor(gpu, SelfCheck.Of(gpu)) : new CpuExecutor();

    /// <summary>The facts of the chosen Vulkan device.</summary>
    /// <param name="terminal">Told what to know of the device before the work.</param>
    /// <exception cref="InvalidOperationException">No such device, or it cannot serve.</exception>
    public VulkanDeviceFacts Choose(Terminal terminal)
    {
        VulkanDeviceFacts facts = VulkanDevices.Select(Selector);
        if (facts.Caution is { } caution)
        {
            terminal.Warning(caution);
        }

        return facts;
    }

    /// <summary>The chosen Vulkan device, opened and checked, or null for the CPU; the caller owns it.</summary>
    /// <param name="terminal">Told which kernels the device has to do without.</param>
    /// <exception cref="InvalidOperationException">No such device, or it cannot serve.</exception>
    public VulkanContext? OpenContext(Terminal terminal)
    {
        if (!Vulkan)
        {
            return null;
        }

        VulkanContext gpu = VulkanContext.Open(Choose(terminal));
        try
        {
            foreach (string message in SelfCheck.Of(gpu).Messages($"vulkan:{gpu.Facts.Index} {gpu.Facts.Name}"))
            {
                terminal.Warning(message);
            }

            return gpu;
        }
        catch
        {
            gpu.Dispose();
            throw;
        }
    }
}
