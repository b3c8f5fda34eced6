using System.Diagnostics;
using System.Globalization;
using System.Runtime.InteropServices;
using System.Text;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Instances;
using Portable.Vulkan.Matmul.Selection;
using Portable.Vulkan.SelfChecks;

namespace Portable.Vulkan.Contact;

/// <summary>
/// The helper program of a first check: <c>dotnet exec Portable.Vulkan.dll first-contact INDEX</c>. The library is its own
/// helper; a program that is one file offers itself with <see cref="VulkanBackend.RunsHelper"/>.
/// </summary>
internal static class ContactProgram
{
    /// <summary>The helper's verb.</summary>
    public const string Verb = "first-contact";

    private const string PlantOption = "--plant";

    /// <summary>Whether this process's own program runs <see cref="Run"/> when its first argument is <see cref="Verb"/>.</summary>
    public static bool OwnProgram { get; set; }

    /// <summary>Runs as the helper.</summary>
    /// <param name="arguments"><see cref="Verb"/>, the device's index, and for tests <c>--plant FAULT</c> (<see cref="PlantedFaults"/>).</param>
    /// <returns>Exit code.</returns>
    public static int Run(string[] arguments)
    {
        if (arguments.Length < 2 || arguments[0] != Verb || !int.TryParse(arguments[1], NumberStyles.None, CultureInfo.InvariantCulture, out int index))
        {
            Console.Error.WriteLine($"usage: {Verb} INDEX. This is the helper of the library's first check of a device.");
            return 2;
        }

        Say("opening the device");
        try
        {
            using VulkanContext gpu = VulkanContext.Open(VulkanDevices.List(out _)[index]);
            if (arguments is [_, _, PlantOption, var fault])
            {
                PlantedFaults.Plant(gpu, fault);
            }

            SelfCheckResult check = Prove(gpu, Say);
            Console.Out.WriteLine(ContactOutput.ResultPrefix + Encoding.UTF8.GetString(check.ToJson()));
            return 0;
        }
        catch (VulkanException e)
        {
            SelfCheckResult refused = new(new Dictionary<string, string>()) { Refusal = e.Message };
            Console.Out.WriteLine(ContactOutput.ResultPrefix + Encoding.UTF8.GetString(refused.ToJson()));
            return 1;
        }
    }

    /// <summary>Proves kernels, then whole models, and takes first times.</summary>
    internal static SelfCheckResult Prove(VulkanContext gpu, Action<string> report)
    {
        report("checking kernels");
        SelfCheckResult check = SelfCheck.Run(gpu, report);
        return ModelCheck.Run(gpu, check, report) is { } wrong
            ? check with { Refusal = wrong }
            : Timed(gpu, check, report);
    }

    /// <summary>How to start the helper, or null and the reason why it cannot be.</summary>
    internal static ProcessStartInfo? Command(VulkanDeviceFacts device, out string? reason)
    {
        string library = Path.Combine(AppContext.BaseDirectory, "Portable.Vulkan.dll");
        string index = device.Index.ToString(CultureInfo.InvariantCulture);
        reason = null;
        if (File.Exists(library) && Host() is { } host)
        {
            return Start(host, ["exec", .. Settings(), library, Verb, index]);
        }

        if (OwnProgram && Environment.ProcessPath is { } program)
        {
            return Start(program, [Verb, index]);
        }

        reason = File.Exists(library) ? "there is no dotnet to run the helper with" : "the program is one file and does not offer itself as the helper (VulkanBackend.RunsHelper)";
        return null;
    }

    /// <summary>Proves the plan that was found to be fastest for steps of one row, which models have gone without so far; one that is wrong is not taken.</summary>
    internal static SelfCheckResult ProveSteps(VulkanContext gpu, SelfCheckResult timed, Action<string> report)
    {
        while (timed.DecodePlan != DecodePlan.Apart && ModelCheck.Run(gpu, timed, report) is { } wrong)
        {
            string kernels = timed.DecodePlan == DecodePlan.Linked ? "linked rows" : FusedProductCheck.ShaderName;
            timed = timed with { DecodePlan = timed.DecodePlan - 1, Failures = new Dictionary<string, string>(timed.Failures) { [kernels] = wrong } };
        }

        return timed;
    }

    private static SelfCheckResult Timed(VulkanContext gpu, SelfCheckResult check, Action<string> report)
    {
        report("taking first times");
        return ProveSteps(gpu, SelfCheck.Timed(gpu, check), report);
    }

    private static void Say(string step) => Console.Out.WriteLine(ContactOutput.StepPrefix + step);

    private static ProcessStartInfo Start(string program, IEnumerable<string> arguments) => new(program, arguments)
    {
        RedirectStandardOutput = true,
        RedirectStandardError = true,
        RedirectStandardInput = true,
        UseShellExecute = false,
        CreateNoWindow = true,
        Environment = { ["DOTNET_DbgEnableMiniDump"] = "0" },
    };

    // The dotnet that runs this process: named by itself, or three folders above the runtime.
    private static string? Host()
    {
        string name = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        string?[] places =
        [
            Path.GetFileName(Environment.ProcessPath) == name ? Environment.ProcessPath : null,
            Environment.GetEnvironmentVariable("DOTNET_HOST_PATH"),
            Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..", name)),
        ];
        return places.FirstOrDefault(File.Exists);
    }

    // What this process found its libraries with.
    private static IEnumerable<string> Settings()
    {
        if ((AppContext.GetData("APP_CONTEXT_DEPS_FILES") as string)?.Split(Path.PathSeparator, ';')[0] is { Length: > 0 } dependencies && File.Exists(dependencies))
        {
            string settings = dependencies.Replace(".deps.json", ".runtimeconfig.json", StringComparison.Ordinal);
            return File.Exists(settings) ? ["--depsfile", dependencies, "--runtimeconfig", settings] : ["--depsfile", dependencies];
        }

        return [];
    }
}
