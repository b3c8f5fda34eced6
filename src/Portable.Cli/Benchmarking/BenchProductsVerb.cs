using System.CommandLine;
using System.Globalization;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Cli.Verbs;
using Portable.Reference.Benchmarking;
using Portable.Vulkan;
using Portable.Vulkan.Benchmarking;
using Portable.Vulkan.Engine;

namespace Portable.Cli.Benchmarking;

/// <summary>The answer of <c>portable bench products</c>.</summary>
/// <param name="Device">The device.</param>
/// <param name="Rows">Every product by every tile; none on the CPU.</param>
/// <param name="Cpu">Every product on the CPU.</param>
internal sealed record BenchProductsReport(string Device, IReadOnlyList<FloatProductRow>? Rows, IReadOnlyList<CpuProductRow>? Cpu = null);

/// <summary>A product on the CPU.</summary>
/// <param name="Product">Which product.</param>
/// <param name="M">Rows.</param>
/// <param name="N">Columns.</param>
/// <param name="K">Summands of each.</param>
/// <param name="Microseconds">Time of one.</param>
/// <param name="Tflops">10^12 operations per second, two a multiply-add.</param>
/// <param name="Fraction">Part of the fused multiply-adds that the same threads reach from registers.</param>
internal sealed record CpuProductRow(string Product, int M, int N, int K, double Microseconds, double Tflops, double Fraction);

/// <summary>Times the f32 products of calibration and training.</summary>
internal sealed class BenchProductsVerb : Verb
{
    private readonly Option<string> _shapes = new("--shapes") { Description = "Layers M×N×K: tokens, outputs, inputs.", HelpName = "MxNxK,...", DefaultValueFactory = _ => "2048x4096x4096,2048x11008x4096,2048x4096x11008" };
    private readonly Option<string> _device = DeviceOption.Create(standard: "vulkan");

    /// <summary>Defines the verb.</summary>
    public BenchProductsVerb()
        : base(
            "products",
            "Times the f32 products of calibration and training: a layer forward, its gradients dX and dW; on a Vulkan device sums over inputs, too, and all by every tile.",
            new Example("portable bench products", "the layers of llama-7b on the best GPU"),
            new Example("portable bench products --device cpu --threads 1 --shapes 512x4096x4096", "a layer on one thread, beside the fused multiply-adds of its registers"))
    {
        Options.Add(_shapes);
        Options.Add(_device);
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        (int M, int N, int K)[] shapes = [.. OptionValues.List(parsed.GetValue(_shapes)!).Select(OptionValues.MatmulShape)];
        if (DeviceOption.Parse(parsed.GetValue(_device)!) is not VulkanDevice where)
        {
            CpuProductRow[] rows = [.. shapes.SelectMany(s => FloatProductRates.Measure(s.M, s.N, s.K, cancellation)).Select(p => new CpuProductRow(p.Product, p.M, p.N, p.K, p.Seconds * 1e6, p.Rate / 1e12, p.Fraction))];
            terminal.Result(new BenchProductsReport("cpu", null, rows), BenchReports.Default.BenchProductsReport, r =>
            {
                terminal.Line(r.Device);
                terminal.Table(["product", ">MxNxK", ">µs", ">TFLOPS", ">of the fused peak"], r.Cpu!.Select(p => (string[])
                    [p.Product, Shape(p.M, p.N, p.K), Text(p.Microseconds, "F0"), Text(p.Tflops, "G3"), Text(100 * p.Fraction, "F0") + " %"]));
            });
            return ExitCode.Done;
        }

        using VulkanContext gpu = where.OpenContext(terminal);
        using FloatProductBenchmark bench = new(gpu, shapes);
        BenchProductsReport report = new(gpu.Facts.Name, bench.Run(cancellation));
        terminal.Result(report, BenchReports.Default.BenchProductsReport, r =>
        {
            terminal.Line(r.Device);
            terminal.Table(["product", ">MxNxK", "tile", ">registers", ">spills", ">µs", ">TFLOPS", "taken"], r.Rows!.Select(p => (string[])
                [p.Product, Shape(p.M, p.N, p.K), p.Tile, Text(p.Registers, "D"), Text(p.Spills, "D"), Text(p.Microseconds, "F0"), Text(p.Tflops, "G3"), p.Taken ? "yes" : ""]));
        });
        return ExitCode.Done;
    }

    private static string Shape(int m, int n, int k) => string.Create(CultureInfo.InvariantCulture, $"{m}x{n}x{k}");

    private static string Text(IFormattable value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
