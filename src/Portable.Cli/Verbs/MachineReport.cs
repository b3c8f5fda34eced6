using System.Reflection;
using System.Runtime.InteropServices;
using System.Text.RegularExpressions;
using Portable.Cli.Devices;
using Portable.Verification;

namespace Portable.Cli.Verbs;

/// <summary>
/// What <c>portable verify --report</c> writes: a machine's devices and what they compute, to attach to an issue. It holds no name of a
/// user, host, folder or file.
/// </summary>
/// <param name="Version">Version of the tool.</param>
/// <param name="System">Operating system.</param>
/// <param name="Architecture">Of this process.</param>
/// <param name="Runtime">The .NET runtime.</param>
/// <param name="Devices">Devices with their features, drivers, first checks and first times.</param>
/// <param name="Every">1: the whole list of cases was run; N: every Nth.</param>
/// <param name="Verification">Hashes and mismatches.</param>
internal sealed partial record MachineReport(
    string Version, string System, string Architecture, string Runtime, IReadOnlyList<DeviceReport> Devices, int Every, VerificationReport Verification)
{
    /// <summary>The report of this machine.</summary>
    public static MachineReport Of(VerificationReport verification, int every) => new(
        typeof(MachineReport).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "",
        RuntimeInformation.OSDescription,
        RuntimeInformation.ProcessArchitecture.ToString(),
        RuntimeInformation.FrameworkDescription,
        [.. DeviceList.All().Select(Public)],
        every,
        verification);

    // A refusal names the file to remove, an error what could not be started: both lie in the user's folders.
    internal static DeviceReport Public(DeviceReport device) => device with
    {
        Reason = Public(device.Reason),
        Note = Public(device.Note),
        FailedKernels = device.FailedKernels?.ToDictionary(k => k.Key, k => Public(k.Value)!),
    };

    // The user's own folders first: their names may have spaces.
    private static string? Public(string? text)
    {
        if (text is null)
        {
            return null;
        }

        int remove = text.IndexOf("; remove ", StringComparison.Ordinal);
        text = remove > 0 ? text[..remove] : text;
        string[] folders = [Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), Environment.CurrentDirectory, AppContext.BaseDirectory, Path.GetTempPath()];
        foreach (string folder in folders.Select(f => f.TrimEnd('/', '\\')).Where(f => f.Length > 1))
        {
            text = text.Replace(folder, "/folder", StringComparison.OrdinalIgnoreCase);
        }

        return Names().Replace(Paths().Replace(text, "(a path)"), m => m.Value == Environment.UserName || m.Value == Environment.MachineName ? "(a name)" : m.Value);
    }

    [GeneratedRegex(@"(?<![\w.])(?:[A-Za-z]:)?[\\/][^\s'"";,)]+")]
    private static partial Regex Paths();

    [GeneratedRegex(@"[\w.-]+")]
    private static partial Regex Names();
}
