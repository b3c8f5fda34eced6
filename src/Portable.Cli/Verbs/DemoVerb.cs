using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Portable.Cli.CommandLine;
using Portable.Cli.Output;
using Portable.Evaluation;
using Portable.Quantization.Runs;
using Portable.Reference.Quantization;

namespace Portable.Cli.Verbs;

/// <summary>One model of the demo.</summary>
/// <param name="Method">How it was quantized, or float.</param>
/// <param name="Scheme">The scheme, or the element type.</param>
/// <param name="Bytes">Files of the checkpoint.</param>
/// <param name="Perplexity">On the demo's text.</param>
/// <param name="TokensPerSecond">While generating.</param>
/// <param name="Text">The continuation of the demo's prompt.</param>
public sealed record DemoRow(string Method, string Scheme, long Bytes, double Perplexity, double TokensPerSecond, string Text);

/// <summary>The answer of <c>portable</c> alone.</summary>
/// <param name="Prompt">What the models continued.</param>
/// <param name="Rows">The float model first.</param>
/// <param name="Seconds">Wall time of the demo.</param>
public sealed record DemoReport(string Prompt, IReadOnlyList<DemoRow> Rows, double Seconds);

/// <summary>Quantizes the bundled model several ways, saves, loads, measures and lets each one talk.</summary>
public sealed class DemoVerb() : Verb(
    "demo",
    "Quantizes the bundled model several ways, measures each, and lets each one talk.",
    new Example("portable", "the demo: a bundled model quantized four ways, in under a minute"),
    new Example("portable quantize MODEL --method flexq --scheme W6A6g128 --output DIR", "quantizes a model of yours; `portable quantize --help` shows more"),
    new Example("portable generate DIR --prompt \"The lighthouse keeper\"", "lets it talk"))
{
    private const string Prompt = "The old lighthouse was";
    private const int Tokens = 32;

    private static readonly (string Method, string Scheme)[] Variants = [("rtn", "W8A8"), ("flexq", "W6A6g128"), ("rtn", "W4A8"), ("rtn", "W2*A8")];

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        string folder = Path.Combine(AppContext.BaseDirectory, "demo"), model = Path.Combine(folder, "tiny-llama");
        string text = ModelFiles.ReadText(Path.Combine(folder, "evaluation.txt"));
        DirectoryInfo work = Directory.CreateTempSubdirectory("portable-demo-");
        try
        {
            var rows = new List<DemoRow> { Measure(terminal, model, "float", "f16", text, cancellation) };
            foreach ((string method, string scheme) in Variants)
            {
                string output = Path.Combine(work.FullName, scheme.Replace('*', 'x'));
                var quantizer = new Quantizer { Source = model, Method = QuantizationMethod.Parse(method), Scheme = QuantizationScheme.Parse(scheme), Output = output };
                terminal.Track($"quantizing to {scheme}", bar => quantizer.Run(new Blocks(bar), cancellation));
                rows.Add(Measure(terminal, output, method, scheme, text, cancellation));
            }

            var report = new DemoReport(Prompt, rows, Stopwatch.GetElapsedTime(start).TotalSeconds);
            terminal.Result(report, JsonReports.Default.DemoReport, r => Print(terminal, r));
            return ExitCode.Done;
        }
        finally
        {
            work.Delete(recursive: true);
        }
    }

    private static DemoRow Measure(Terminal terminal, string directory, string method, string scheme, string text, CancellationToken cancellation)
    {
        using LanguageModel loaded = Loading.Open(directory, Device.Cpu, terminal, cancellation);
        PerplexityResult result = terminal.Track($"perplexity of {scheme}", bar => loaded.Perplexity(text, progress: bar, cancellation: cancellation));
        long start = Stopwatch.GetTimestamp();
        int[] ids = [.. loaded.Generate(loaded.Encode(Prompt), new GenerationOptions { MaximumTokens = Tokens, IgnoreEnd = true }, cancellation)];
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        return new DemoRow(method, scheme, ModelFiles.DirectoryBytes(directory), result.Perplexity, ids.Length / seconds, loaded.Tokenizer.Decode(ids));
    }

    private static void Print(Terminal terminal, DemoReport r)
    {
        terminal.Table(["method", "scheme", ">MiB", ">perplexity", ">tokens/s"], r.Rows.Select(row => (string[])
        [
            row.Method, row.Scheme, Number(row.Bytes / 1048576.0, "F2"), Number(row.Perplexity, "F2"), Number(row.TokensPerSecond, "F0"),
        ]));
        foreach (DemoRow row in r.Rows)
        {
            terminal.Line($"{row.Scheme,-9} {r.Prompt} {row.Text.Trim().ReplaceLineEndings(" ")}");
        }

        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"\nIn {r.Seconds:F0} s. Next: `portable --help`, and a model of your own: `portable quantize --help`."));
    }

    private static string Number(double value, string format) => value.ToString(format, CultureInfo.InvariantCulture);

    private sealed class Blocks(Tracker bar) : IProgress<QuantizationProgress>
    {
        public void Report(QuantizationProgress value)
        {
            if (value.Total > 0)
            {
                bar.Report((double)value.Done / value.Total);
            }
        }
    }
}
