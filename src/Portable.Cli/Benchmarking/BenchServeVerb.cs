using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Cli.Verbs;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;
using Portable.Serving;

namespace Portable.Cli.Benchmarking;

/// <summary>The answer of <c>portable bench serve</c>.</summary>
/// <param name="Device">The device that served.</param>
/// <param name="Shape">Name of the shape.</param>
/// <param name="Scheme">The scheme.</param>
/// <param name="Streams">Texts that come at once.</param>
/// <param name="Prompt">Tokens of each prompt.</param>
/// <param name="Tokens">Tokens of each answer.</param>
/// <param name="PrefillTokensPerSecond">Rate of one prompt after the other.</param>
/// <param name="DecodeTokensPerSecond">Rate of steps with all texts.</param>
/// <param name="Seconds">Time until the last answer has ended.</param>
/// <param name="FirstSeconds">The same of the first run, which makes kernels and commands.</param>
/// <param name="Efficiency">Time that both rates ask for over the time taken.</param>
/// <param name="FirstTokenSeconds">Time to the first token: median and 99th percentile.</param>
internal sealed record BenchServeReport(
    string Device, string Shape, string Scheme, int Streams, int Prompt, int Tokens, double PrefillTokensPerSecond, double DecodeTokensPerSecond, double Seconds, double FirstSeconds, double Efficiency,
    BenchServeFirstToken FirstTokenSeconds);

/// <summary>Seconds from asking to the first token.</summary>
internal sealed record BenchServeFirstToken(double P50, double P99);

/// <summary>Measures what the engine keeps of a model's rates when many texts come at once.</summary>
internal sealed class BenchServeVerb : Verb
{
    private const int MeasuredPrompts = 8, MeasuredSteps = 16;

    private readonly Option<string> _shape = new("--shape") { Description = $"One of {string.Join(", ", ModelShapes.Names)}.", HelpName = "NAME", Required = true };
    private readonly Option<string> _scheme = new("--scheme") { Description = "Scheme of every linear, of cache, embedding and head.", HelpName = "S", Required = true };
    private readonly Option<int> _streams = new("--streams") { Description = "Texts that come at once.", HelpName = "N", DefaultValueFactory = _ => 16 };
    private readonly Option<int> _prompt = new("--prompt") { Description = "Tokens of each prompt.", HelpName = "N", DefaultValueFactory = _ => 128 };
    private readonly Option<int> _tokens = new("--tokens") { Description = "Tokens of each answer.", HelpName = "N", DefaultValueFactory = _ => 64 };
    private readonly Option<string> _device = DeviceOption.Create();

    /// <summary>Defines the verb.</summary>
    public BenchServeVerb()
        : base(
            "serve",
            "Measures many texts at once against the model's own rates, synthetic weights.",
            new Example("portable bench serve --shape llama-3-8b --scheme W4A8KV8 --streams 64 --prompt 512 --tokens 128 --device vulkan", "64 streams on the best GPU"))
    {
        foreach (Option option in (Option[])[_shape, _scheme, _streams, _prompt, _tokens, _device])
        {
            Options.Add(option);
        }
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        string name = parsed.GetValue(_shape)!;
        QuantizationScheme scheme = OptionValues.Scheme(parsed.GetValue(_scheme)!);
        int streams = OptionValues.AtLeast(parsed, _streams, 1), prompt = OptionValues.AtLeast(parsed, _prompt, 1), tokens = OptionValues.AtLeast(parsed, _tokens, 1);
        ModelConfig config = OptionValues.Shape(name);
        if (prompt + tokens > config.MaximumPositions)
        {
            throw new UsageException($"--prompt {prompt} and --tokens {tokens} are more than the {config.MaximumPositions} positions of {name}");
        }

        int context = Math.Max(prompt + tokens, prompt + MeasuredSteps);
        Device where = DeviceOption.Parse(parsed.GetValue(_device)!);
        HostRoom.Require(where, config, scheme, streams, context);
        using OpenedDevice opened = where.Open(terminal);
        using Transformer model = terminal.Track("making weights", bar => new Transformer(
            new SyntheticModel(config, scheme), opened.CreateExecutor(), streams, context, new Fraction(bar, config.Layers), cancellation, streams * PageTable.ChunksOf(context)));
        BenchServeReport report = Measure(model, streams, prompt, tokens, cancellation) with { Shape = name, Scheme = scheme.ToString() };
        terminal.Result(report, BenchReports.Default.BenchServeReport, r =>
        {
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{r.Shape} {r.Scheme} on {r.Device}: {r.Streams} texts at once, {r.Prompt} tokens in, {r.Tokens} out"));
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"alone: prefill {r.PrefillTokensPerSecond:F1} tokens/s, decode {r.DecodeTokensPerSecond:F1} tokens/s of {r.Streams} texts"));
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"together: {r.Seconds:F2} s (the first time {r.FirstSeconds:F2} s), {r.Efficiency:P1} of what the rates allow; first token p50 {r.FirstTokenSeconds.P50:F3} s, p99 {r.FirstTokenSeconds.P99:F3} s"));
        });
        return ExitCode.Done;
    }

    private static BenchServeReport Measure(Transformer model, int streams, int prompt, int tokens, CancellationToken cancellation)
    {
        Random random = new(1);
        int[] Text(int count) => [.. Enumerable.Range(0, count).Select(_ => random.Next(model.Config.VocabularySize))];
        double first = Serve().Seconds;
        double prefill = Prefill(), decode = Decode();
        (double seconds, double[] waits) = Serve();
        double asked = (streams * (double)prompt / prefill) + (streams * (double)tokens / decode);
        return new BenchServeReport(model.DeviceName, "", "", streams, prompt, tokens, prefill, decode, seconds, first, asked / seconds, new BenchServeFirstToken(waits[waits.Length / 2], waits[(int)((waits.Length - 1) * 0.99)]));

        double Prefill()
        {
            Feed(0);
            int count = Math.Min(MeasuredPrompts, streams);
            long start = Stopwatch.GetTimestamp();
            for (int sequence = 0; sequence < count; sequence++)
            {
                Feed(sequence);
            }

            return count * (double)prompt / Stopwatch.GetElapsedTime(start).TotalSeconds;
        }

        void Feed(int sequence)
        {
            for (int position = 0; position < prompt; position += model.MaximumRows)
            {
                cancellation.ThrowIfCancellationRequested();
                model.Forward(Batch.Consecutive(Text(Math.Min(model.MaximumRows, prompt - position)), position, allLogits: false, sequence));
            }
        }

        double Decode()
        {
            int[] slots = [.. Enumerable.Range(0, streams)];
            double[] times = new double[MeasuredSteps];
            for (int step = 0; step < times.Length; step++)
            {
                cancellation.ThrowIfCancellationRequested();
                int[] positions = [.. slots.Select(_ => prompt + step)];
                long start = Stopwatch.GetTimestamp();
                model.Forward(new Batch(Text(streams), slots, positions, slots));
                times[step] = Stopwatch.GetElapsedTime(start).TotalSeconds;
            }

            Array.Sort(times);
            return streams / times[times.Length / 2];
        }

        (double Seconds, double[] Waits) Serve()
        {
            Scheduler scheduler = new(model, SequenceCache.Of(model), new PassGate());
            long start = Stopwatch.GetTimestamp();
            Answer[] answers = [.. Enumerable.Range(0, streams).Select(_ => scheduler.Submit(new TextRequest { Prompt = Text(prompt), MaximumTokens = tokens, IgnoreEnd = true }, null, cancellation))];
            while (scheduler.Step())
            {
            }

            cancellation.ThrowIfCancellationRequested();
            return (Stopwatch.GetElapsedTime(start).TotalSeconds, [.. answers.Select(a => a.ToFirst!.Value.TotalSeconds).Order()]);
        }
    }
}
