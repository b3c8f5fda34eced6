using System.Reflection;
using System.Runtime.InteropServices;
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
internal sealed record MachineReport(
    string Version, string System, string Architecture, string Runtime, IReadOnlyList<DeviceReport> Devices, int Every, VerificationReport Verification)
{
    /// <summary>The report of this machine.</summary>
    public static MachineReport Of(VerificationReport verification, int every) => new(
        typeof(MachineReport).Assembly.GetCustomAttribute<AssemblyInformationalVersionAttribute>()?.InformationalVersion ?? "",
        RuntimeInformation.OSDescription,
        RuntimeInformation.ProcessArchitecture.ToString(),
        RuntimeInformation.FrameworkDescription,
        [.. DeviceList.All().Select(WithoutPaths)],
        every,
        verification);

    // A refusal names the file to remove, which lies in the user's folder.
    private static DeviceReport WithoutPaths(DeviceReport device) =>
        device.Reason?.IndexOf("; remove ", StringComparison.Ordinal) is > 0 and int end ? device with { Reason = device.Reason[..end] } : device;
}
