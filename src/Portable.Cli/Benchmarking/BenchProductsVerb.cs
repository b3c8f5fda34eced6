using System.CommandLine;
using System.Globalization;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Cli.Verbs;
using Portable.Vulkan;
using Portable.Vulkan.Benchmarking;
using Portable.Vulkan.Devices;
using Portable.Vulkan.Engine;

namespace Portable.Cli.Benchmarking;

/// <summary>The answer of <c>portable bench products</c>.</summary>
/// <param name="Device">The device.</param>
/// <param name="Rows">Every product by every tile.</param>
internal sealed record BenchProductsReport(string Device, IReadOnlyList<FloatProductRow> Rows);

/// <summary>Times the f32 products of calibration and training.</summary>
internal sealed class BenchProductsVerb : Verb
{
    private readonly Option<string> _shapes = new("--shapes") { Description = "Layers M×N×K: tokens, outputs, inputs.", HelpName = "MxNxK,...", DefaultValueFactory = _ => "2048x4096x4096,2048x11008x4096,2048x4096x11008" };
    private readonly Option<string> _device = DeviceOption.Create(standard: "vulkan");

    /// <summary>Defines the verb.</summary>
    public BenchProductsVerb()
        : base(
            "products",
            "Times the f32 products of calibration and training on a Vulkan device: a layer forward, its gradients dX and dW, and sums over inputs, by every tile.",
            new Example("portable bench products", "the layers of llama-7b on the best GPU"))
    {
        Options.Add(_shapes);
        Options.Add(_device);
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        if (DeviceOption.Parse(parsed.GetValue(_device)!) is not VulkanDevice where)
        {
            throw new UsageException("bench products works on Vulkan devices: leave --device out, or give vulkan[:N|:NAME]");
        }

        (int M, int N, int K)[] shapes = [.. OptionValues.List(parsed.GetValue(_shapes)!).Select(OptionValues.MatmulShape)];
        using VulkanContext gpu = VulkanContext.Open(VulkanDevices.Select(where.Selector));
        using FloatProductBenchmark bench = new(gpu, shapes);
        BenchProductsReport report = new(gpu.Facts.Name, bench.Run(cancellation));
        terminal.Result(report, BenchReports.Default.BenchProductsReport, r =>
        {
            terminal.Line(r.Device);
            terminal.Table(["product", ">MxNxK", "tile", ">registers", ">spills", ">µs", ">TFLOPS", "taken"], r.Rows.Select(p => (string[])
                [p.Product, string.Create(CultureInfo.InvariantCulture, $"{p.M}x{p.N}x{p.K}"), p.Tile, Text(p.Registers, "D"), Text(p.Spills, "D"), Text(p.Microseconds, "F0"), Text(p.Tflops, "F1"), p.Taken ? "yes" : ""]));
        });
        return ExitCode.Done;
    }

    private static string Text(IFormattable value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
