using System.CommandLine;
using Portable.Cli.CommandLine;

namespace Portable.Cli.Devices;

/// <summary>The option <c>--device</c>.</summary>
internal static class DeviceOption
{
    /// <summary>Creates the option.</summary>
    /// <param name="what">What the device does for the verb.</param>
    /// <param name="standard">What it is where the option is not given.</param>
    public static Option<string> Create(string what = "Where it runs", string standard = "cpu") => new("--device")
    {
        Description = $"{what} (see `portable devices`).",
        HelpName = "cpu|vulkan[:N|:NAME]",
        DefaultValueFactory = _ => standard,
    };

    /// <summary>Reads <c>cpu</c>, <c>vulkan</c>, <c>vulkan:N</c> or <c>vulkan:NAME</c>.</summary>
    /// <exception cref="UsageException">Any other text.</exception>
    public static Device Parse(string text)
    {
        try
        {
            return Device.Parse(text);
        }
        catch (FormatException)
        {
            throw new UsageException($"--device '{text}' is neither cpu nor vulkan[:N|:NAME]");
        }
    }
}
