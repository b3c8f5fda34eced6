using System.CommandLine;
using System.Globalization;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Cli.Verbs;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Quantization;
using Portable.Vulkan;
using Portable.Vulkan.Benchmarking;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Instances;

namespace Portable.Cli.Benchmarking;

/// <summary>The answer of <c>portable bench pipelines</c>.</summary>
/// <param name="Device">The device.</param>
/// <param name="Driver">Its driver.</param>
/// <param name="Rows">Every kernel that was built.</param>
internal sealed record BenchPipelinesReport(string Device, string Driver, IReadOnlyList<PipelineRow> Rows);

/// <summary>Builds the kernels of model shapes and tells what the driver's compiler made of them.</summary>
internal sealed class BenchPipelinesVerb : Verb
{
    private readonly Option<string> _shapes = new("--shapes") { Description = $"Model shapes: {string.Join(", ", ModelShapes.Names)}.", HelpName = "NAME,...", DefaultValueFactory = _ => "llama-3.2-1b,llama-7b" };
    private readonly Option<string> _schemes = new("--schemes") { Description = "Schemes.", HelpName = "S,...", DefaultValueFactory = _ => "W4A8,W6A6g128KV8,W8A8KV4,W2A8KV2,W4A16" };
    private readonly Option<string> _device = DeviceOption.Create(standard: "vulkan");

    /// <summary>Defines the verb.</summary>
    public BenchPipelinesVerb()
        : base(
            "pipelines",
            "Builds every kernel that models of a shape take on a Vulkan device, without running any: registers, spills and scratch memory as the driver tells them.",
            new Example("portable bench pipelines", "the kernels of two models, under five schemes"),
            new Example("portable bench pipelines --shapes qwen3-8b --schemes W4A8KV8 --json", "of one model, with every constant that each kernel was built with"))
    {
        Options.Add(_shapes);
        Options.Add(_schemes);
        Options.Add(_device);
    }

    /// <inheritdoc/>
    public override bool NeedsGpu => true;

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        if (DeviceOption.Parse(parsed.GetValue(_device)!) is not VulkanDevice where)
        {
            throw new UsageException("bench pipelines works on Vulkan devices: leave --device out, or give vulkan[:N|:NAME]");
        }

        ModelConfig[] shapes = [.. OptionValues.List(parsed.GetValue(_shapes)!).Select(OptionValues.Shape)];
        QuantizationScheme[] schemes = [.. OptionValues.List(parsed.GetValue(_schemes)!).Select(OptionValues.Scheme)];

        // Not checked before: nothing runs here, and a driver whose device is not there would fail every check.
        VulkanDeviceFacts facts = VulkanDevices.Select(where.Selector);
        IReadOnlyList<PipelineRow> rows = PipelineSurvey.Run(facts, shapes, schemes, cancellation);
        if (VulkanInstance.ValidationMessages is { Count: > 0 } said)
        {
            throw new InvalidOperationException($"the validation layer has {said.Count} messages: {said.First()}");
        }

        BenchPipelinesReport report = new(facts.Name, facts.Driver, rows);
        terminal.Result(report, BenchReports.Default.BenchPipelinesReport, r =>
            terminal.Table(["shader", ">registers", ">spills", ">scratch", ">seconds", "constants"], r.Rows.Select(p => (string[])
                [p.Shader, Text(p.Registers), Text(p.Spills), Text(p.ScratchBytes), p.Seconds.ToString("F2", CultureInfo.InvariantCulture), Short(p.Constants)])));
        return ExitCode.Done;
    }

    // Of the longest lists the rest is left to --json.
    private static string Short(string constants)
    {
        const int Most = 60;
        return constants.Length <= Most ? constants : constants[..(constants.LastIndexOf(' ', Most) is > 0 and int end ? end : Most)] + " …";
    }

    private static string Text(long number) => number.ToString(CultureInfo.InvariantCulture);
}
