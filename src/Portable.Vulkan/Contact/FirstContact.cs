using System.Diagnostics;
using System.Globalization;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.SelfChecks;

namespace Portable.Vulkan.Contact;

/// <summary>
/// The first check of a device, driver and set of shaders, in a process of its own with a time limit: a driver that crashes,
/// hangs or computes wrongly there loses its device or a kernel, and this process goes on. The result is kept on disk.
/// </summary>
/// <remarks>
/// Where no child process can be started, the check runs here between two marks on disk: a first mark without its second says
/// that the process of an earlier check did not survive. <see cref="SelfCheckResult.Messages"/> says when that was so.
/// </remarks>
internal static class FirstContact
{
    // Of one step of it. Some compilers take a minute over a kernel, software devices seconds, and all of them more on a busy machine.
    private static readonly TimeSpan Limit = TimeSpan.FromMinutes(5), SoftwareLimit = TimeSpan.FromMinutes(15);
    private static readonly TimeSpan Glance = TimeSpan.FromMilliseconds(50);

    /// <summary>The result of the check, which is run where there is none yet.</summary>
    /// <param name="device">A device that can be opened.</param>
    public static SelfCheckResult Ensure(VulkanDeviceFacts device) => SelfCheckResult.TryRead(device) ?? Check(device);

    /// <summary>The facts with what the first check said: refused where it must not be used, or without a feature. Devices that were never checked stay as they are.</summary>
    public static VulkanDeviceFacts Apply(VulkanDeviceFacts device) => device.Usable && SelfCheckResult.TryRead(device) is { } check ? check.Apply(device) : device;

    private static SelfCheckResult Check(VulkanDeviceFacts device)
    {
        SelfCheckResult check = ContactProgram.Command(device, out string? reason) is { } command
            ? Run(device, command, device.CompiledForHost ? SoftwareLimit : Limit)
            : RunHere(device, reason!);
        check.Save(device);
        if (check.Without is not null)
        {
            // Who has the facts without the feature asks by those.
            check.Save(check.Apply(device));
        }

        return check;
    }

    /// <summary>
    /// Runs the check in a child. A driver that crashes where there are cooperative matrices, the youngest part of drivers, gets a second
    /// child without them: it loses that path where it survives then, and else its device.
    /// </summary>
    /// <param name="device">The device.</param>
    /// <param name="command">The helper program.</param>
    /// <param name="limit">How long a step of it may take.</param>
    internal static SelfCheckResult Run(VulkanDeviceFacts device, ProcessStartInfo command, TimeSpan limit)
    {
        const string Matrices = "coopmat";
        SelfCheckResult first = Run(device, command, limit, out string? crash);
        if (crash is null || !device.CooperativeMatrix)
        {
            return first;
        }

        command.Environment.TryGetValue(FeatureMask.Variable, out string? masked);
        command.Environment[FeatureMask.Variable] = $"{masked},{Matrices}";
        SelfCheckResult second = Run(device, command, limit, out _);
        return second.Refusal is not null ? first : second with { Without = Matrices, Note = $"does without cooperative matrices: with them {crash}" };
    }

    private static SelfCheckResult Run(VulkanDeviceFacts device, ProcessStartInfo command, TimeSpan limit, out string? crash)
    {
        ContactOutput output = new();
        crash = null;
        try
        {
            using Process child = Process.Start(command) ?? throw new InvalidOperationException("it did not start");
            child.OutputDataReceived += (_, line) => output.Read(line.Data);
            child.ErrorDataReceived += (_, _) => { };
            child.BeginOutputReadLine();
            child.BeginErrorReadLine();
            while (!child.WaitForExit(Glance))
            {
                if (output.StepTime < limit)
                {
                    continue;
                }

                child.Kill(entireProcessTree: true);
                child.WaitForExit();
                return Refused(string.Create(CultureInfo.InvariantCulture, $"a step of its first check did not end within {limit.TotalSeconds:0.#} s ({output.Step}); the driver may hang"));
            }

            child.WaitForExit();
            if (output.Result is null && output.Started)
            {
                return Refused(crash = $"its driver ended the process of the first check ({Cause(child.ExitCode)}) while {output.Step}");
            }

            return output.Result ?? RunHere(device, $"the helper program ended with code {child.ExitCode}");
        }
        catch (Exception e) when (e is System.ComponentModel.Win32Exception or InvalidOperationException)
        {
            return RunHere(device, e.Message);
        }

        SelfCheckResult Refused(string what) => new(new Dictionary<string, string>()) { Refusal = $"{what}; remove {SelfCheckResult.PathOf(device)} to check it again" };
    }

    private static SelfCheckResult RunHere(VulkanDeviceFacts device, string reason)
    {
        string mark = SelfCheckResult.PathOf(device) + ".begun";
        if (UserCache.TryRead(mark) is not null)
        {
            return new SelfCheckResult(new Dictionary<string, string>()) { Refusal = $"an earlier first check did not end: its process crashed or was stopped; remove {mark} to check it again" };
        }

        UserCache.TryWrite(mark, [1]);
        using VulkanContext gpu = VulkanContext.Open(device);
        SelfCheckResult check = ContactProgram.Prove(gpu, _ => { }) with { Note = $"was first checked inside of this process, because no other could be started ({reason})" };
        UserCache.TryDelete(mark);
        return check;
    }

    // On Unix a process that a signal ended has 128 + the signal as its code; on Windows the code is an NTSTATUS.
    private static string Cause(int code) => code switch
    {
        132 => "illegal instruction",
        134 => "abort",
        135 => "bus error",
        136 => "arithmetic exception",
        137 => "killed",
        139 => "segmentation fault",
        _ => string.Create(CultureInfo.InvariantCulture, $"code {(code is >= 0 and < 256 ? code : $"0x{code:X8}")}"),
    };
}
