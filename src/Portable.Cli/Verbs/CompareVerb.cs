using System.CommandLine;
using System.Globalization;
using System.Text;
using System.Text.Json.Serialization;
using Portable.Checkpoints.Files;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Evaluation;

namespace Portable.Cli.Verbs;

/// <summary>A row of <c>portable compare</c>: the float model, or one beside it.</summary>
/// <param name="Model">As it was typed.</param>
/// <param name="Method">How it was quantized, or float.</param>
/// <param name="Scheme">The scheme that was asked for; left out for float.</param>
/// <param name="BitsPerWeight">Of the blocks' linears, with scales and zero points, as stored.</param>
/// <param name="Kld">Mean divergence from the float model, nats.</param>
/// <param name="KldError">Its standard error; null for one window.</param>
/// <param name="Kld99">99th percentile.</param>
/// <param name="Top1">Part of the predictions whose likeliest token is the float model's.</param>
/// <param name="Perplexity">exp of the mean negative log likelihood.</param>
/// <param name="Ratio">Perplexity over the float model's.</param>
/// <param name="RatioError">Its paired standard error; null for one window.</param>
internal sealed record CompareRow(
    string Model, string Method, string? Scheme, double BitsPerWeight, double Kld, [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? KldError,
    [property: JsonPropertyName("kld_99")] double Kld99, [property: JsonPropertyName("top1")] double Top1, double Perplexity, double Ratio,
    [property: JsonIgnore(Condition = JsonIgnoreCondition.Never)] double? RatioError);

/// <summary>The answer of <c>portable compare</c>.</summary>
/// <param name="Rows">The float model, then the others as they were typed.</param>
/// <param name="Tokens">Predictions scored.</param>
/// <param name="Windows">Windows run.</param>
/// <param name="Context">Tokens of a window.</param>
/// <param name="Skip">Positions of each window that were not scored.</param>
/// <param name="Seconds">Wall time, loading included.</param>
/// <param name="Device">The device that served the quantized models.</param>
internal sealed record CompareReport(IReadOnlyList<CompareRow> Rows, long Tokens, int Windows, int Context, int Skip, double Seconds, string Device);

/// <summary>Measures what quantization costs, against the float model.</summary>
internal sealed class CompareVerb : Verb
{
    private readonly DirectoryArgument<string> _float = new("FLOAT") { Description = "Directory of the model that the others are compared with, the float one as a rule." };
    private readonly DirectoryArgument<string[]> _quantized = new("QUANTIZED") { Description = "Directories of the models to compare: Portable checkpoints of it, one or more.", Arity = ArgumentArity.OneOrMore };
    private readonly PathOption _text = new("--text") { Description = "UTF-8 text to compare on (- = standard input); never the one that you calibrated on.", HelpName = "FILE", Required = true };
    private readonly Option<int> _context = new("--context") { Description = "Tokens per window; each window is scored on its own.", HelpName = "N", DefaultValueFactory = _ => 512 };
    private readonly Option<int> _windows = new("--windows") { Description = "Only the first N windows (0 = all).", HelpName = "N" };
    private readonly Option<int> _skip = new("--skip") { Description = "Positions at the start of each window that are read and not scored. llama-perplexity scores the second half of a window: N is then half of --context.", HelpName = "N" };
    private readonly Option<string> _device = DeviceOption.Create("Where quantized models run; a float one runs on the CPU");
    private readonly Option<int> _memory = new("--memory") { Description = "Memory for the models that are loaded at a time, MiB (0 = three quarters of what there is). Those that do not fit have the float model run again; figures stay the same.", HelpName = "MIB" };
    private readonly PathOption _report = new("--report") { Description = "Also write a page with table, divergence over bits and errors of the layers: one file that asks for no other.", HelpName = "FILE.html", IsWritten = true };

    /// <summary>Defines the verb.</summary>
    public CompareVerb()
        : base(
            "compare",
            "Measures what quantization costs on a text, beside the float model: Kullback-Leibler divergence (mean nats a prediction, and 99th percentile), how often the likeliest token is the same, the ratio of perplexities with its paired standard error, and bits per weight as stored.",
            new Example("portable compare llama llama-w4 llama-w6 --text wiki.test.txt --windows 60", "two quantized models beside the float one, on 60 windows of 512 tokens"),
            new Example("portable compare llama llama-w4 --text wiki.test.txt --report report.html", "the whole text, and a page with plots"),
            new Example("portable compare llama llama-w4 --text wiki.test.txt --windows 60 --skip 256 --json", "the second half of each window alone, as llama-perplexity scores, as JSON"))
    {
        Arguments.Add(_float);
        Arguments.Add(_quantized);
        foreach (Option option in (Option[])[_text, _context, _windows, _skip, _device, _memory, _report])
        {
            Options.Add(option);
        }
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        int context = OptionValues.AtLeast(parsed, _context, 2), skip = OptionValues.AtLeast(parsed, _skip, 0);
        if (skip > context - 2)
        {
            throw new UsageException($"--skip {skip} leaves nothing of a window of {context} tokens, which has {context - 1} predictions");
        }

        string text = parsed.GetValue(_text)!;
        string? page = parsed.GetValue(_report);
        var comparison = new Comparison
        {
            Reference = parsed.GetValue(_float)!,
            Models = parsed.GetValue(_quantized)!,
            Text = ModelFiles.ReadText(text, terminal.Input, cancellation),
            TextName = text == "-" ? "standard input" : Path.GetFileName(text),
            Context = context,
            Windows = OptionValues.AtLeast(parsed, _windows, 0),
            Skip = skip,
            Device = DeviceOption.Parse(parsed.GetValue(_device)!),
            Memory = (long)OptionValues.AtLeast(parsed, _memory, 0) << 20,
        };
        ComparisonResult result = terminal.Track("comparing", bar => comparison.Run(bar, line => bar.Say($"warning: {line}"), cancellation));
        if (page is not null)
        {
            AtomicFile.Write(page, Encoding.UTF8.GetBytes(result.ToHtml(CommandLine(parsed))));
        }

        var report = new CompareReport(
            [.. result.Rows.Select(r => new CompareRow(r.Model, r.Method, r.Scheme, r.BitsPerWeight, r.MeanDivergence, r.DivergenceError, r.Divergence99, r.SameTop, r.Perplexity, r.Ratio, r.RatioError))],
            result.Predictions, result.Windows, context, skip, result.Seconds, result.Device);
        terminal.Result(report, JsonReports.Default.CompareReport, r => Print(terminal, r));
        return ExitCode.Done;
    }

    private static void Print(Terminal terminal, CompareReport report)
    {
        terminal.Table(["model", ">bits", ">KLD", ">±", ">99 %", ">same top", ">perplexity", ">ratio", ">±"], report.Rows.Select(r => (string[])
            [r.Model, Number(r.BitsPerWeight, "F2"), Number(r.Kld, "G4"), Number(r.KldError, "G2"), Number(r.Kld99, "G3"), Number(100 * r.Top1, "F2") + " %", Number(r.Perplexity, "F3"), Number(r.Ratio, "F4"), Number(r.RatioError, "F4")]));
        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{report.Tokens} predictions in {report.Windows} windows of {report.Context}{(report.Skip > 0 ? $", the first {report.Skip} of each left out" : "")}   {report.Seconds:F1} s on {report.Device}"));
    }

    private static string Number(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";

    private string CommandLine(ParseResult parsed)
    {
        IEnumerable<string> words = [parsed.GetValue(_float)!, .. parsed.GetValue(_quantized)!, .. Options.Where(o => parsed.GetResult(o) is { Implicit: false }).SelectMany(o => (string[])[o.Name, .. parsed.GetResult(o)!.Tokens.Select(t => t.Value)])];
        return "portable compare " + string.Join(' ', words.Select(w => w.Length > 0 && !w.AsSpan().ContainsAny(" \t\"'\\$&;()<>|*?`") ? w : $"'{w.Replace("'", "'\\''", StringComparison.Ordinal)}'"));
    }
}
