using System.CommandLine;
using System.Text.Json.Serialization;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Reference.Arithmetic;
using Portable.Vulkan.Matmul.Selection;

namespace Portable.Cli.Verbs;

/// <summary>The answer of <c>portable devices</c>.</summary>
/// <param name="Devices">The CPU first, then Vulkan devices by index.</param>
/// <param name="Tier">The CPU's instruction tier in this process.</param>
/// <param name="Contract">Version of the float contract that all of them keep.</param>
internal sealed record DevicesReport(IReadOnlyList<DeviceReport> Devices, string Tier, int Contract);

/// <summary>Lists what models can run on.</summary>
internal sealed class DevicesVerb() : Verb(
    "devices",
    "Lists the CPU's instruction tier and the Vulkan devices: what each can do, and why one is refused.",
    new Example("portable devices", "each with what it offers the kernels"),
    new Example("portable devices --json", "the same for programs"))
{
    // The table leaves out matrices that no kernel multiplies with; the JSON has them all. Bytes are inference's, halves training's.
    private static bool IsTelling(string feature) => !feature.StartsWith("matrix:", StringComparison.Ordinal)
        || feature.Contains(" Int8·Int8", StringComparison.Ordinal) || feature.Contains(" Float16·Float16→Float32", StringComparison.Ordinal);

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        var report = new DevicesReport(DeviceList.All(), CpuTier.Name, Contract.Version);
        terminal.Result(report, JsonReports.Default.DevicesReport, r =>
        {
            foreach (DeviceReport d in r.Devices)
            {
                terminal.Line($"{d.Name}{(d.Usable ? "" : ": not usable")}");
                terminal.Paragraph(4, d.Usable ? d.Description : d.Description == "none" ? d.Reason! : $"{d.Description}: {d.Reason}");
                if (d.Features.Any(IsTelling))
                {
                    terminal.Paragraph(4, string.Join(' ', d.Features.Where(IsTelling)));
                }

                if (d.TrainingArithmetics.Count > 0)
                {
                    terminal.Paragraph(4, $"methods that train: {string.Join(", ", d.TrainingArithmetics)}{(d.TrainingArithmetics.Count > 1 ? " (the fastest here first: --arithmetic auto)" : "")}");
                }
                else if (d.Usable)
                {
                    terminal.Paragraph(4, "calibrates nothing: it has no f64, in which sums over calibration windows are kept");
                }
            }

            foreach (string message in r.Devices.SelectMany(d => new SelfCheckResult(d.FailedKernels ?? new Dictionary<string, string>()) { Note = d.Note }.Messages(d.Name)))
            {
                terminal.Warning(message);
            }
        });
        return ExitCode.Done;
    }
}
