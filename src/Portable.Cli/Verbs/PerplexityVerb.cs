using System.CommandLine;
using System.Globalization;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Evaluation;

namespace Portable.Cli.Verbs;

/// <summary>The answer of <c>portable perplexity</c>.</summary>
/// <param name="Perplexity">exp(nll).</param>
/// <param name="Nll">Mean nats per prediction.</param>
/// <param name="Tokens">Predictions scored.</param>
/// <param name="Windows">Windows scored.</param>
/// <param name="Context">Tokens per window.</param>
/// <param name="Seconds">Wall time of the measurement, loading left out.</param>
/// <param name="Device">The device that served.</param>
internal sealed record PerplexityReport(double Perplexity, double Nll, long Tokens, int Windows, int Context, double Seconds, string Device);

/// <summary>Measures the perplexity of a model on a text.</summary>
internal sealed class PerplexityVerb : Verb
{
    private readonly Argument<string> _model = ModelFiles.CreateArgument();
    private readonly PathOption _text = new("--text") { Description = "UTF-8 text to score (- = standard input).", HelpName = "FILE", Required = true };
    private readonly Option<int> _context = new("--context") { Description = "Tokens per window; each window is scored on its own.", HelpName = "N", DefaultValueFactory = _ => 512 };
    private readonly Option<int> _windows = new("--windows") { Description = "Only the first N windows (0 = all).", HelpName = "N" };
    private readonly Option<string> _device = DeviceOption.Create();

    /// <summary>Defines the verb.</summary>
    public PerplexityVerb()
        : base(
            "perplexity",
            "Measures how well a model predicts a text: exp of the mean negative log likelihood over non-overlapping windows.",
            new Example("portable perplexity models/llama --text wiki.test.txt", "the whole text in windows of 512 tokens, on the CPU"),
            new Example("portable perplexity llama-w4 --text wiki.test.txt --windows 20 --device vulkan --json", "the first 20 windows on the best GPU, as JSON"))
    {
        Arguments.Add(_model);
        Options.Add(_text);
        Options.Add(_context);
        Options.Add(_windows);
        Options.Add(_device);
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        int length = OptionValues.AtLeast(parsed, _context, 2), limit = OptionValues.AtLeast(parsed, _windows, 0);
        Device where = DeviceOption.Parse(parsed.GetValue(_device)!);
        using LanguageModel loaded = Loading.Open(parsed.GetValue(_model)!, where, terminal, cancellation, context: length);
        string scored = ModelFiles.ReadText(parsed.GetValue(_text)!, terminal.Input, cancellation);
        PerplexityResult result = terminal.Track("perplexity", bar => loaded.Perplexity(scored, length, limit, bar, cancellation));
        var report = new PerplexityReport(result.Perplexity, result.MeanNll, result.Predictions, result.Windows, length, result.Seconds, loaded.DeviceName);
        terminal.Result(report, JsonReports.Default.PerplexityReport, r =>
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"perplexity {r.Perplexity:F4}   nll {r.Nll:F6}   {r.Tokens} predictions in {r.Windows} windows of {r.Context}   {r.Seconds:F1} s on {r.Device}")));
        return ExitCode.Done;
    }
}
