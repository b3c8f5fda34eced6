using System.CommandLine;
using System.Globalization;
using Portable.Benchmarking;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Cli.Verbs;
using Portable.Reference.Benchmarking;
using Portable.Reference.Quantization;
using Portable.Vulkan;

namespace Portable.Cli.Benchmarking;

/// <summary>What the device reaches at most, measured in this process; what it does not have is left out.</summary>
/// <param name="StreamGbps">10^9 bytes per second read once.</param>
/// <param name="Int8Tops">10^12 operations per second of 8-bit multiply-adds (two per multiply-add) in registers: the CPU's best sequence, or cooperative matrices.</param>
/// <param name="Int8Sequence">The CPU's sequence.</param>
/// <param name="FusedTflops">f32 fused multiply-adds of the CPU.</param>
/// <param name="SeparateTflops">f32 multiplications each followed by an addition, of the CPU.</param>
/// <param name="DotTops">Packed 4×8-bit dot products of a GPU.</param>
/// <param name="BitCountTops">10^12 32-bit AND + bitCount + add per second of a GPU.</param>
internal sealed record RooflineReport(
    double StreamGbps, double Int8Tops, string? Int8Sequence = null, double? FusedTflops = null, double? SeparateTflops = null, double? DotTops = null, double? BitCountTops = null);

/// <summary>One measured matmul.</summary>
/// <param name="Kernel">The kernel that ran.</param>
/// <param name="Scheme">Scheme of weights and activations.</param>
/// <param name="M">Tokens.</param>
/// <param name="N">Channels.</param>
/// <param name="K">Columns.</param>
/// <param name="Microseconds">Time of one, epilogue included, activations already quantized.</param>
/// <param name="Tops">10^12 operations per second, two per multiply-add.</param>
/// <param name="Gbps">10^9 bytes of packed weights per second.</param>
/// <param name="Fraction">Of the bound that applies.</param>
/// <param name="QuantizeMicroseconds">Quantizing and packing the activations, alone.</param>
/// <param name="TotalMicroseconds">That and then the matmul.</param>
/// <param name="BestKernel">The fastest of all kernels worth trying, where asked for.</param>
/// <param name="BestMicroseconds">Its time.</param>
/// <param name="Ratio">Time of the kernel that ran over the best's.</param>
internal sealed record BenchMatmulRow(
    string Kernel, string Scheme, int M, int N, int K, double Microseconds, double Tops, double Gbps, double Fraction, double QuantizeMicroseconds, double TotalMicroseconds,
    string? BestKernel = null, double? BestMicroseconds = null, double? Ratio = null);

/// <summary>The answer of <c>portable bench matmul</c>.</summary>
/// <param name="Device">The device.</param>
/// <param name="Roofline">Its measured limits.</param>
/// <param name="Rows">One per shape and scheme.</param>
internal sealed record BenchMatmulReport(string Device, RooflineReport Roofline, IReadOnlyList<BenchMatmulRow> Rows);

/// <summary>Times matmuls of given shapes and schemes.</summary>
internal sealed class BenchMatmulVerb : Verb
{
    private readonly Option<string> _shapes = new("--shapes") { Description = "Shapes M×N×K, for example 1x4096x4096,512x4096x14336.", HelpName = "MxNxK,...", DefaultValueFactory = _ => "1x4096x4096,1x4096x14336,512x4096x14336" };
    private readonly Option<string> _schemes = new("--schemes") { Description = "Schemes, for example W2A8,W6A6g128; all: every W and A from 1 to 8 bits.", HelpName = "S,...|all", DefaultValueFactory = _ => "W2A8,W4A8,W6A6g128,W8A8" };
    private readonly Option<string?> _kernel = new("--kernel") { Description = "Force a kernel by name; one that cannot serve is an error that lists those that can.", HelpName = "NAME" };
    private readonly Option<bool> _best = new("--best") { Description = "Also time every other kernel worth trying, and hold the one that ran against the fastest (Vulkan devices)." };
    private readonly Option<bool> _warm = new("--warm") { Description = "Let weights stay in a cache; otherwise they rotate over more than the last level." };
    private readonly Option<string> _device = DeviceOption.Create();

    /// <summary>Defines the verb.</summary>
    public BenchMatmulVerb()
        : base(
            "matmul",
            "Times matmuls, and first what the device reaches at most in the same process.",
            new Example("portable bench matmul --shapes 1x4096x4096,512x4096x14336 --schemes W2A8,W4A8", "decode and prefill shapes on the CPU"),
            new Example("portable bench matmul --schemes W6A6g128 --device vulkan --json", "the default shapes on the best GPU"),
            new Example("portable bench matmul --shapes 1x4096x4096,8x4096x4096,64x4096x4096,1024x4096x4096 --schemes all --best --device vulkan", "what the dispatcher takes for every pair of widths, and what would be fastest"))
    {
        foreach (Option option in (Option[])[_shapes, _schemes, _kernel, _best, _warm, _device])
        {
            Options.Add(option);
        }
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        (int M, int N, int K)[] sizes = [.. OptionValues.List(parsed.GetValue(_shapes)!).Select(OptionValues.MatmulShape)];
        QuantizationScheme[] widths = [.. (parsed.GetValue(_schemes)!.Trim().Equals("all", StringComparison.OrdinalIgnoreCase) ? AllWidths() : OptionValues.List(parsed.GetValue(_schemes)!)).Select(OptionValues.Scheme)];
        if (Array.Find(widths, w => w != w.Layer) is { } whole)
        {
            throw new UsageException($"{whole} has bits of a cache or a head, which a matmul has not: give {whole.Layer}");
        }

        Device where = DeviceOption.Parse(parsed.GetValue(_device)!);
        if (parsed.GetValue(_best) && where is not VulkanDevice)
        {
            throw new UsageException("--best works on Vulkan devices: give --device vulkan[:N|:NAME]");
        }

        using MatmulBench bench = MatmulBench.Open(where, terminal);
        BenchMatmulReport report = terminal.Track("measuring", tracker =>
        {
            RooflineReport roofline = bench.MeasureRoofline();
            var rows = new List<BenchMatmulRow>();
            foreach ((int m, int n, int k) in sizes)
            {
                foreach (QuantizationScheme scheme in widths)
                {
                    cancellation.ThrowIfCancellationRequested();
                    rows.Add(bench.Measure(m, n, k, scheme, parsed.GetValue(_kernel), parsed.GetValue(_warm), parsed.GetValue(_best), cancellation));
                    tracker.Report((double)rows.Count / (sizes.Length * widths.Length));
                }
            }

            return new BenchMatmulReport(bench.DeviceName, roofline, rows);
        });
        terminal.Result(report, BenchReports.Default.BenchMatmulReport, r => Print(terminal, r));
        return ExitCode.Done;
    }

    private static IEnumerable<string> AllWidths() => from w in Enumerable.Range(1, 8) from a in Enumerable.Range(1, 8) select $"W{w}A{a}";

    private static void Print(Terminal terminal, BenchMatmulReport report)
    {
        RooflineReport r = report.Roofline;
        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{report.Device}: read {r.StreamGbps:F1} GB/s, int8 {r.Int8Tops:G4} TOPS{(r.Int8Sequence is { } s ? $" ({s})" : "")}")
            + (r.FusedTflops is { } f ? string.Create(CultureInfo.InvariantCulture, $", f32 fused {f:G3} and separate {r.SeparateTflops:G3} TFLOPS") : "")
            + (r.DotTops is { } d ? string.Create(CultureInfo.InvariantCulture, $", dot {d:G4} TOPS, bitCount {r.BitCountTops:G4} T/s") : ""));
        bool compared = report.Rows.Any(row => row.Ratio is not null);
        terminal.Table(
            ["kernel", "scheme", ">MxNxK", ">µs", .. compared ? (string[])["fastest", ">µs", ">ratio"] : [">TOPS", ">GB/s", ">bound", ">quantize"]],
            report.Rows.Select(row => (string[])
            [
                row.Kernel, row.Scheme, string.Create(CultureInfo.InvariantCulture, $"{row.M}x{row.N}x{row.K}"), Text(row.Microseconds, "F1"),
                .. row.Ratio is { } ratio ? (string[])[row.BestKernel!, Text(row.BestMicroseconds!.Value, "F1"), Text(ratio, "F2")]
                    : [Text(row.Tops, "G3"), Text(row.Gbps, "F1"), Text(row.Fraction, "P0"), Text(row.QuantizeMicroseconds, "F1")],
            ]));
        if (!compared)
        {
            terminal.Line("bound: part of the roofline's rate; quantize: µs for the activations, on top");
        }

        if (compared)
        {
            const double Good = 1.15;
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{report.Rows.Count(row => row.Ratio <= Good)} of {report.Rows.Count} within {Good} of the fastest; the worst {report.Rows.Max(row => row.Ratio):F2}"));
        }
    }

    private static string Text(IFormattable value, string format) => value.ToString(format, CultureInfo.InvariantCulture);
}
