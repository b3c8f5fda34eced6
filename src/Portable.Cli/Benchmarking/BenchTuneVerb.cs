using System.CommandLine;
using System.Globalization;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Cli.Verbs;
using Portable.Models.Architectures;
using Portable.Vulkan;
using Portable.Vulkan.Benchmarking;
using Portable.Vulkan.Engine;
using Portable.Vulkan.Matmul.Selection;

namespace Portable.Cli.Benchmarking;

/// <summary>The answer of <c>portable bench tune</c>.</summary>
/// <param name="Device">The device.</param>
/// <param name="Table">Where the table was written, or null where nothing was left to measure.</param>
/// <param name="Rows">The best kernel of each problem that was measured now.</param>
/// <param name="Wrong">Kernels that computed wrongly.</param>
/// <param name="Missing">Problems that are still not measured: another run goes on with them.</param>
internal sealed record BenchTuneReport(string Device, string? Table, IReadOnlyList<MatmulMeasurement> Rows, IReadOnlyList<string> Wrong, int Missing);

/// <summary>Measures every candidate kernel on a device and keeps the best for the dispatcher.</summary>
internal sealed class BenchTuneVerb : Verb
{
    private const int Everything = 420, OneModel = 110;

    private readonly Option<string?> _shape = new("--shape") { Description = $"Only what a model of this shape multiplies: one of {string.Join(", ", ModelShapes.Names)}.", HelpName = "NAME" };
    private readonly Option<string> _scheme = new("--scheme") { Description = "With --shape: the schemes of its linears, apart by commas.", HelpName = "S,…", DefaultValueFactory = _ => "W4A8" };
    private readonly Option<int?> _seconds = new("--seconds") { Description = "Begin nothing new after this time, 420 s or 110 s with --shape; run again to go on.", HelpName = "N", };
    private readonly PathOption _export = new("--export") { Description = "Also write the device's best kernels as text, as they come with the tool (src/Portable.Vulkan/Measured).", HelpName = "FILE", IsWritten = true };
    private readonly Option<string> _device = DeviceOption.Create("Which device", "vulkan");

    /// <summary>Defines the verb.</summary>
    public BenchTuneVerb()
        : base(
            "tune",
            "Measures every matmul kernel on a Vulkan device, checks its results, and keeps the best for the dispatcher.",
            new Example("portable bench tune", "at most seven minutes; a second run goes on where this one stopped"),
            new Example("portable bench tune --shape llama-7b --scheme W4A8", "what one model multiplies, in less than two minutes"))
    {
        Options.Add(_shape);
        Options.Add(_scheme);
        Options.Add(_seconds);
        Options.Add(_export);
        Options.Add(_device);
    }

    /// <inheritdoc/>
    public override bool GoesOn => true;

    /// <inheritdoc/>
    public override bool NeedsGpu => true;

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        if (DeviceOption.Parse(parsed.GetValue(_device)!) is not VulkanDevice where)
        {
            throw new UsageException("bench tune works on Vulkan devices: leave --device out, or give vulkan[:N|:NAME]");
        }

        IReadOnlyList<(int N, int K, string Scheme, int[] Tokens)>? model = parsed.GetValue(_shape) is { } shape
            ? [.. OptionValues.List(parsed.GetValue(_scheme)!).SelectMany(scheme => MatmulTuner.Problems(OptionValues.Shape(shape), OptionValues.Scheme(scheme)))]
            : null;
        if (model is null && parsed.GetResult(_scheme) is { Implicit: false })
        {
            throw new UsageException("--scheme says what the linears of a model have: give --shape NAME with it");
        }

        int seconds = parsed.GetValue(_seconds) is { } given ? given >= 1 ? given : throw new UsageException($"--seconds must be at least 1, not {given}") : model is null ? Everything : OneModel;
        using VulkanContext gpu = where.OpenContext(terminal);
        IReadOnlyList<(int N, int K, string Scheme, int[] Tokens)> problems = model ?? [.. MatmulTuner.Problems(gpu.Facts)];
        Rooflines rooflines = Rooflines.Measure(gpu);
        List<MatmulMeasurement> rows = [];
        List<string> wrong = [];
        string? path = new MatmulTuner(gpu, rooflines).Run(problems, TimeSpan.FromSeconds(seconds), problem =>
        {
            MatmulMeasurement m = problem.Measurement;
            rows.Add(m);
            wrong.AddRange(problem.Wrong);
            terminal.Message(string.Create(CultureInfo.InvariantCulture, $"{m.M}x{m.N}x{m.K} {m.Scheme}: {m.Microseconds:F2} µs, {m.Tops:G3} TOPS, {m.Gbps:G4} GB/s, {m.Fraction:P0} with {m.Kernel} of {problem.Candidates}{(problem.Wrong.Count > 0 ? $", {problem.Wrong.Count} wrong" : "")}"));
        }, cancellation);
        if (parsed.GetValue(_export) is { } file)
        {
            File.WriteAllText(file, TunedChoices.Load(gpu.Facts).Export(gpu.Facts.Name));
        }

        terminal.Result(new BenchTuneReport(gpu.Facts.Name, path, rows, wrong, MatmulTuner.Missing(problems, TunedChoices.Load(gpu.Facts))), BenchReports.Default.BenchTuneReport, r =>
        {
            terminal.Line($"{r.Rows.Count} {(r.Rows.Count == 1 ? "problem" : "problems")} measured on {r.Device}{(r.Table is null ? "" : $", kept in {r.Table}")}; {(r.Missing == 0 ? "none is left" : $"{r.Missing} are left: run again to go on")}");
            foreach (string line in r.Wrong.Take(10))
            {
                terminal.Line($"wrong: {line}");
            }
        });
        return wrong.Count == 0 ? ExitCode.Done : ExitCode.Failed;
    }
}
