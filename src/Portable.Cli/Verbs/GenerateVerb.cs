using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Models;
using Portable.Tokenizers;

namespace Portable.Cli.Verbs;

/// <summary>The answer of <c>portable generate</c>: new tokens only.</summary>
/// <param name="Text">The continuation.</param>
/// <param name="Ids">Its token ids.</param>
/// <param name="TokensPerSecond">New tokens per second after the first, the prompt's time left out.</param>
/// <param name="Device">The device that served.</param>
/// <param name="Stopped">Why it ended: tokens (as many as asked for), end (of the text), context (it is full).</param>
/// <param name="Start">With <c>--timings</c>: where the time to the first token went.</param>
public sealed record GenerateReport(string Text, int[] Ids, double TokensPerSecond, string Device, string Stopped, StartTimes? Start);

/// <summary>Continues a prompt.</summary>
public sealed class GenerateVerb : Verb
{
    private readonly Argument<string> model = ModelFiles.CreateArgument();
    private readonly Option<string> prompt = new("--prompt") { Description = "The text to continue.", HelpName = "TEXT", Required = true };
    private readonly Option<int> tokens = new("--tokens") { Description = "The most tokens to make.", HelpName = "N", DefaultValueFactory = _ => 128 };
    private readonly Option<int> context = new("--context") { Description = "Positions to make room for (default: the prompt's tokens and --tokens).", HelpName = "N" };
    private readonly Option<double> temperature = new("--temperature") { Description = "0 = always the likeliest token; 1 = as the model says.", HelpName = "T" };
    private readonly Option<int> topK = new("--top-k") { Description = "Draw from the K likeliest tokens (0 = all).", HelpName = "K" };
    private readonly Option<double> topP = new("--top-p") { Description = "Draw from the likeliest tokens that together reach probability P.", HelpName = "P", DefaultValueFactory = _ => 1 };
    private readonly Option<int> seed = new("--seed") { Description = "Seed of the draws: the same seed, the same text.", HelpName = "N" };
    private readonly Option<bool> ignoreEos = new("--ignore-eos") { Description = "Go on after an end-of-text token." };
    private readonly Option<bool> timings = new("--timings") { Description = "Also say where the time from the start of the process to the first token went, and how fast the checkpoint loaded." };
    private readonly Option<string> device = DeviceOption.Create();

    /// <summary>Defines the verb.</summary>
    public GenerateVerb()
        : base(
            "generate",
            "Continues a prompt, token by token; the text streams to standard output.",
            new Example("portable generate llama-w4 --prompt \"The lighthouse keeper\"", "the likeliest continuation"),
            new Example("portable generate llama-w4 --prompt \"Once\" --tokens 200 --temperature 0.8 --top-p 0.95 --seed 7", "a seeded draw; the same on every device"))
    {
        foreach (Option option in (Option[])[prompt, tokens, context, temperature, topK, topP, seed, ignoreEos, timings, device])
        {
            Options.Add(option);
        }

        Arguments.Add(model);
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        long began = Stopwatch.GetTimestamp();
        var options = new GenerationOptions
        {
            MaximumTokens = OptionValues.AtLeast(parsed, tokens, 1),
            Temperature = parsed.GetValue(temperature),
            TopK = parsed.GetValue(topK),
            TopP = parsed.GetValue(topP),
            Seed = parsed.GetValue(seed),
            IgnoreEnd = parsed.GetValue(ignoreEos),
        };
        try
        {
            options.Validate();
        }
        catch (ArgumentException e)
        {
            throw new UsageException(e.Message);
        }

        Device where = DeviceOption.Parse(parsed.GetValue(device)!);
        int room = parsed.GetResult(context) is { Implicit: false } ? OptionValues.AtLeast(parsed, context, 1) : 0, count = options.MaximumTokens;
        int[] start = [];
        using LanguageModel loaded = Loading.Open(parsed.GetValue(model)!, where, terminal, cancellation, (config, words) =>
        {
            start = words.EncodeInput(parsed.GetValue(prompt)!);
            return Room(config, start.Length, count, room);
        });
        var ids = new List<int>();
        var text = new StringBuilder();
        void Show(string more)
        {
            text.Append(more);
            if (!terminal.Json)
            {
                terminal.Output.Write(more);
                terminal.Output.Flush();
            }
        }

        var decoder = new StreamingDecoder(loaded.Tokenizer);
        long first = 0, last = 0;
        using IEnumerator<int> made = loaded.Generate(start, options, cancellation).GetEnumerator();

        // The first token takes the whole prompt; then the text itself shows how far it is.
        bool more = terminal.Track("prompt", bar =>
        {
            int passed = 0, passes = (start.Length + loaded.Model.MaximumRows - 1) / loaded.Model.MaximumRows * loaded.Model.Config.Layers;
            loaded.Model.BlockDone = _ => bar.Report((double)++passed / passes);
            bool any = made.MoveNext();
            loaded.Model.BlockDone = null;
            return any;
        });
        for (; more; more = made.MoveNext())
        {
            last = Stopwatch.GetTimestamp();
            first = first == 0 ? last : first;
            ids.Add(made.Current);
            Show(decoder.Next(made.Current));
        }

        Show(decoder.Finish());
        // The last token is made from the last position of the context, and not fed.
        string stopped = ids.Count == count ? "tokens" : start.Length + ids.Count > loaded.Context ? "context" : "end";
        double seconds = Stopwatch.GetElapsedTime(first, last).TotalSeconds;
        StartTimes? times = parsed.GetValue(timings) && first != 0 ? StartTimes.Of(began, loaded, first) : null;
        var report = new GenerateReport(text.ToString(), [.. ids], seconds > 0 ? (ids.Count - 1) / seconds : 0, loaded.DeviceName, stopped, times);
        terminal.Result(report, JsonReports.Default.GenerateReport, r =>
        {
            terminal.Line("");
            terminal.Message(string.Create(CultureInfo.InvariantCulture, $"{r.Ids.Length} tokens, {r.TokensPerSecond:F1} tokens/s on {r.Device}"));
            if (r.Stopped == "context")
            {
                terminal.Message(string.Create(CultureInfo.InvariantCulture, $"stopped: the context is full ({loaded.Model.Context:N0} tokens{(loaded.Model.Context < loaded.Model.Config.MaximumPositions ? "; --context makes more room" : $"; {loaded.Model.Config.ContextText}")})"));
            }

            r.Start?.Print(terminal);
        });
        return ExitCode.Done;
    }

    /// <summary>The context to reserve: what was asked for, else what prompt and new tokens take, at most what the model takes.</summary>
    private static int Room(ModelConfig config, int promptTokens, int count, int asked)
    {
        int room = asked > 0 ? asked : (int)Math.Min((long)promptTokens + count, config.MaximumPositions);
        return promptTokens < room
            ? room
            : throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"the prompt has {promptTokens:N0} tokens: no room for more ({(asked > 0 ? $"--context {asked:N0}" : config.ContextText)})"));
    }
}
