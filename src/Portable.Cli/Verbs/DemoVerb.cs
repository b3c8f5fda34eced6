using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Portable.Cli.CommandLine;
using Portable.Cli.Output;
using Portable.Evaluation;
using Portable.Quantization.Runs;
using Portable.Reference.Quantization;

namespace Portable.Cli.Verbs;

/// <summary>Quantizes the bundled model several ways, saves, loads, measures and lets each one talk.</summary>
internal sealed class DemoVerb() : Verb(
    "demo",
    "Quantizes the bundled model several ways, measures each, and lets each one talk.",
    new Example("portable", "the demo: a bundled model quantized five ways, in well under a minute"),
    new Example("portable quantize MODEL --method flexq --scheme W6A6g128 --output DIR", "quantizes a model of yours; `portable quantize --help` shows more"),
    new Example("portable generate DIR --prompt \"The lighthouse keeper\"", "lets it talk"))
{
    private const string Prompt = "The old lighthouse was";
    private const int ShownTokens = 32, TimedTokens = 64, TimedRuns = 5, Window = 512;

    private static readonly (string Method, string Scheme)[] Variants = [("rtn", "W8A8"), ("flexq", "W6A6g128"), ("rtn", "W4A8"), ("rtn", "W2*A8"), ("abq", "W2*A8")];

    private static string Folder => Path.Combine(AppContext.BaseDirectory, "demo");

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        long start = Stopwatch.GetTimestamp();
        string model = Path.Combine(Folder, "tiny-llama");
        string text = ModelFiles.ReadText(Path.Combine(Folder, "evaluation.txt"));
        DirectoryInfo work = Directory.CreateTempSubdirectory("portable-demo-");
        try
        {
            (DemoRow plain, long predictions) = Measure(terminal, model, "float", "f16", text, cancellation);
            var rows = new List<DemoRow> { plain };
            foreach ((string method, string scheme) in Variants)
            {
                string output = Path.Combine(work.FullName, $"{method}-{scheme.Replace('*', 'x')}");
                Quantize(terminal, model, method, scheme, output, cancellation);
                rows.Add(Measure(terminal, output, method, scheme, text, cancellation).Row);
            }

            var report = new DemoReport(Prompt, predictions, rows, Stopwatch.GetElapsedTime(start).TotalSeconds);
            terminal.Result(report, JsonReports.Default.DemoReport, r => Print(terminal, r));
            return ExitCode.Done;
        }
        finally
        {
            work.Delete(recursive: true);
        }
    }

    private static void Quantize(Terminal terminal, string model, string method, string scheme, string output, CancellationToken cancellation)
    {
        var quantizer = new Quantizer { Source = model, Method = OptionValues.Method(method), Scheme = QuantizationScheme.Parse(scheme), Output = output };
        if (quantizer.Method.NeedsCalibration)
        {
            // On another text than the one that is scored, and in few steps: the model is small.
            quantizer = quantizer with
            {
                Method = quantizer.Method.With("epochs", "4"),
                CalibrationText = ModelFiles.ReadText(Path.Combine(Folder, "calibration.txt")),
                CalibrationWindows = 16,
                CalibrationContext = 128,
            };
        }

        terminal.Track($"{method} {scheme}", bar => quantizer.Run(new Blocks(bar), cancellation));
    }

    private static (DemoRow Row, long Predictions) Measure(Terminal terminal, string directory, string method, string scheme, string text, CancellationToken cancellation)
    {
        using LanguageModel loaded = Loading.Open(directory, Device.Cpu, terminal, cancellation, context: Window);
        PerplexityResult result = terminal.Track($"perplexity of {method} {scheme}", bar => loaded.Perplexity(text, Window, progress: bar, cancellation: cancellation));
        int[] prompt = loaded.Encode(Prompt);
        string? hash = method == "float" ? null : Hash(terminal, loaded, prompt, scheme, cancellation);
        (int[] ids, double speed) = Decode(loaded, prompt, cancellation);
        return (new DemoRow(method, scheme, ModelFiles.DirectoryBytes(directory), result.Perplexity, speed, hash, loaded.Tokenizer.Decode(ids[..ShownTokens])), result.Predictions);
    }

    /// <summary>The hash of the prompt's logits, fed whole and token by token.</summary>
    private static string Hash(Terminal terminal, LanguageModel loaded, int[] prompt, string scheme, CancellationToken cancellation)
    {
        string[] hashes = [.. new[] { 0, 1 }.Select(chunk => terminal.Track("bits", bar => LogitsVerb.Compute(loaded.Model, prompt, chunk, bar, cancellation).Hash))];
        return hashes[0] == hashes[1] ? hashes[0] : throw new InvalidOperationException($"{scheme}: logits of a whole prompt and of its tokens one by one differ; `portable verify` finds the kernel");
    }

    /// <summary>A greedy continuation, and the tokens per second of the fastest of several: the first ones run while the runtime still compiles.</summary>
    private static (int[] Ids, double TokensPerSecond) Decode(LanguageModel loaded, int[] prompt, CancellationToken cancellation)
    {
        int[] ids = [];
        double fastest = double.PositiveInfinity;
        for (int run = 0; run < TimedRuns; run++)
        {
            var made = new List<int>();
            long first = 0;
            foreach (int id in loaded.Generate(prompt, new GenerationOptions { MaximumTokens = TimedTokens, IgnoreEnd = true }, cancellation))
            {
                first = made.Count == 0 ? Stopwatch.GetTimestamp() : first;
                made.Add(id);
            }

            fastest = Math.Min(fastest, Stopwatch.GetElapsedTime(first).TotalSeconds);
            ids = [.. made];
        }

        return (ids, (TimedTokens - 1) / fastest);
    }

    private static void Print(Terminal terminal, DemoReport r)
    {
        terminal.Table(["method", "scheme", ">MiB", ">perplexity", ">tokens/s", "bits"], r.Rows.Select(row => (string[])
        [
            row.Method, row.Scheme, Number(row.Bytes / 1048576.0, "F2"), Number(row.Perplexity, "F2"), Number(row.TokensPerSecond, "F0"), row.Hash?[..16] ?? "not promised",
        ]));
        foreach (DemoRow row in r.Rows)
        {
            terminal.Line($"{row.Method} {row.Scheme}:");
            terminal.Paragraph(4, $"{r.Prompt} {row.Text.Trim().ReplaceLineEndings(" ")}");
        }

        terminal.Line("");
        terminal.Paragraph(0, string.Create(CultureInfo.InvariantCulture, $"perplexity: among how many tokens a model hesitates, over {r.Predictions:N0} predictions of a text it has not seen; lower is better. Rounding to 2 bits breaks this model, learning on another text (abq) mends most of it. tokens/s: decoding alone, on this CPU, where fewer bits are fewer bytes to read."));
        terminal.Paragraph(0, "bits: a hash of the logits of the prompt, fed whole and token by token. Why it matters: a quantized model computes in integers and in one order of floats, so these are its bits on every CPU and GPU, with any number of threads: compare another machine's. What is tested here is what runs there.");
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
