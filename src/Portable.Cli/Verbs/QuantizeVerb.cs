using System.CommandLine;
using System.Globalization;
using Portable.Calibration;
using Portable.Checkpoints.Format;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Quantization;
using Portable.Quantization.Runs;
using Portable.Reference.Quantization;

namespace Portable.Cli.Verbs;

/// <summary>Quantizes a float checkpoint.</summary>
internal sealed class QuantizeVerb : Verb
{
    private readonly DirectoryArgument<string> _model = new("MODEL") { Description = "Directory of a Hugging Face checkpoint." };
    private readonly Option<string> _method = new("--method")
    {
        Description = $"One of {string.Join(", ", QuantizationMethod.All.Select(m => m.NeedsCalibration ? m.Name + "*" : m.Name))} (* needs --calibration).",
        HelpName = "NAME",
        Required = true,
    };

    private readonly Option<string> _scheme = new("--scheme") { Description = "W<1-8>[*]A<1-8|16>[g<K>][a<K>][KV<2-8|16>][H<2-8|16>], for example W4A8, W4A8g128a64, W2*A8KV8H8. A1 is for abq and omniquant; W1 for them, rtn and gptq.", HelpName = "S", Required = true };
    private readonly PathOption _output = new("--output") { Description = "Directory to make; an unfinished one goes on.", HelpName = "DIR", Required = true };
    private readonly Option<int> _format = new("--format") { Description = "Checkpoint format, 1 or 2.", HelpName = "V", DefaultValueFactory = _ => PortableFormat.NewestVersion };
    private readonly PathOption _calibration = new("--calibration") { Description = "UTF-8 text to calibrate on (- = standard input); never the text that you evaluate on.", HelpName = "TEXT" };
    private readonly Option<int> _samples = new("--samples") { Description = "Calibration windows.", HelpName = "N", DefaultValueFactory = _ => new MethodOptions().Samples };
    private readonly Option<int> _context = new("--context") { Description = "Tokens per calibration window.", HelpName = "N", DefaultValueFactory = _ => new MethodOptions().Context };
    private readonly Option<int> _seed = new("--seed") { Description = "Seed of every random choice.", HelpName = "N", DefaultValueFactory = _ => new MethodOptions().Seed };
    private readonly Option<int> _memory = new("--memory") { Description = "Memory for calibration, MiB; the rest goes to a file.", HelpName = "MIB", DefaultValueFactory = _ => (int)(StreamStorage.DefaultBudget >> 20) };
    private readonly Option<bool> _overwrite = new("--overwrite") { Description = "Replace a finished checkpoint in DIR." };
    private readonly Option<string> _device = DeviceOption.Create("Where calibration computes");
    private readonly MethodArguments _named;

    /// <summary>Defines the verb.</summary>
    public QuantizeVerb()
        : base(
            "quantize",
            "Quantizes a float checkpoint with a published method; the same command gives the same bytes, and resumes what was interrupted.",
            new Example("portable quantize llama --method rtn --scheme W8A8 --output llama-w8", "the plain baseline, no calibration"),
            new Example("portable quantize llama --method flexq --scheme W6A6g128 --calibration text.txt --output llama-w6", "6 bits, with 8-bit activations where a sensitivity analysis says so"),
            new Example("portable quantize llama --method gptq --scheme W4A8 --calibration text.txt --output llama-w4", "4-bit weights with compensated rounding"))
    {
        _named = new MethodArguments(_method);
        Arguments.Add(_model);
        foreach (Option option in (Option[])[_method, _scheme, _output, _format, _calibration, _samples, _context, _seed, _memory, _overwrite, _device, .. _named.Options])
        {
            Options.Add(option);
        }
    }

    /// <inheritdoc/>
    public override bool GoesOn => true;

    /// <inheritdoc/>
    protected override string? Arrange(ParseResult parsed) => _named.Arrange(parsed, "portable quantize");

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        QuantizationMethod chosen = OptionValues.Method(parsed.GetValue(_method)!);
        string? text = parsed.GetValue(_calibration);
        try
        {
            QuantizationScheme widths = OptionValues.Scheme(parsed.GetValue(_scheme)!);
            RequireCalibration(chosen, text);
            List<string> unused = [];
            QuantizationMethod how = _named.Apply(parsed, chosen, unused.Add);
            var quantizer = new Quantizer
            {
                Source = parsed.GetValue(_model)!,
                Method = how,
                Scheme = widths,
                Format = parsed.GetValue(_format),
                Output = parsed.GetValue(_output)!,
                Overwrite = parsed.GetValue(_overwrite),
                Device = DeviceOption.Parse(parsed.GetValue(_device)!),
                CalibrationMemory = (long)OptionValues.AtLeast(parsed, _memory, 0) << 20,
                CalibrationWindows = OptionValues.AtLeast(parsed, _samples, 1),
                CalibrationContext = OptionValues.AtLeast(parsed, _context, 2),
                Seed = parsed.GetValue(_seed),
            };

            // A text may be long, or be typed: what is wrong with the options is said before it is asked for.
            quantizer.Check(calibrated: text is not null);
            NameUnused(parsed, text, terminal);
            unused.ForEach(terminal.Warning);
            quantizer = quantizer with { CalibrationText = text is null ? null : ModelFiles.ReadText(text, terminal.Input, cancellation) };
            QuantizationResult result = terminal.Track("quantizing", tracker => quantizer.Run(new Steps(tracker), cancellation));
            if (terminal.Json)
            {
                terminal.Line(result.ToJson().ToJsonString());
            }
            else
            {
                Print(terminal, result);
            }

            return ExitCode.Done;
        }
        catch (MethodUsageException e)
        {
            throw UsageException.Of(chosen.Name, e);
        }
        catch (FormatException e)
        {
            throw new UsageException(e.Message);
        }
    }

    private static void RequireCalibration(QuantizationMethod method, string? text)
    {
        if (method.NeedsCalibration && text is null)
        {
            throw new UsageException($"--method {method.Name} needs --calibration TEXT");
        }
    }

    /// <summary>Options of calibration without a calibration text are accepted and named.</summary>
    private void NameUnused(ParseResult parsed, string? text, Terminal terminal)
    {
        foreach (Option<int> option in (Option<int>[])[_samples, _context, _seed, _memory])
        {
            if (text is null && parsed.GetResult(option) is { Implicit: false })
            {
                terminal.Warning($"{option.Name} is not used without --calibration");
            }
        }
    }

    private static void Print(Terminal terminal, QuantizationResult result)
    {
        terminal.Table(["layer", "scheme", ">error", ">output"], result.Layers.Select(l => (string[])
            [l.Name, l.Scheme, l.Error.ToString("F5", CultureInfo.InvariantCulture), l.OutputError?.ToString("F5", CultureInfo.InvariantCulture) ?? ""]));
        terminal.Line(string.Create(
            CultureInfo.InvariantCulture,
            $"{result.Method} {result.Scheme}: {result.BytesBefore / 1048576.0:F2} MiB to {result.BytesAfter / 1048576.0:F2} MiB in {result.Seconds:F1} s"));
    }

    private sealed class Steps(Tracker tracker) : IProgress<QuantizationProgress>
    {
        public void Report(QuantizationProgress value)
        {
            if (value.Message is { } message)
            {
                tracker.Say(value.Warning ? $"warning: {message}" : message);
            }

            if (value.Total > 0)
            {
                tracker.Start(value.Stage);
                tracker.Report((double)value.Done / value.Total);
            }
        }
    }
}
