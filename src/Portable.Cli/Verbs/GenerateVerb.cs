using System.CommandLine;
using System.Diagnostics;
using System.Globalization;
using System.Text;
using Portable.Cli.CommandLine;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Generation;
using Portable.Models;
using Portable.Tokenizers;

namespace Portable.Cli.Verbs;

/// <summary>The answer of <c>portable generate</c>: new tokens only.</summary>
/// <param name="Text">The continuation.</param>
/// <param name="Ids">Its token ids.</param>
/// <param name="TokensPerSecond">New tokens per second after the first, the prompt's time left out.</param>
/// <param name="Device">The device that served.</param>
/// <param name="Stopped">Why it ended: tokens (as many as asked for), end (of the text), stop (a text of --stop), context (it is full).</param>
/// <param name="Sampling">How tokens were chosen.</param>
/// <param name="Start">With <c>--timings</c>: where the time to the first token went.</param>
internal sealed record GenerateReport(string Text, int[] Ids, double TokensPerSecond, string Device, string Stopped, SamplingReport Sampling, StartTimes? Start);

/// <summary>Continues a prompt.</summary>
internal sealed class GenerateVerb : Verb
{
    private readonly Argument<string> _model = ModelFiles.CreateArgument();
    private readonly Option<string> _prompt = new("--prompt") { Description = "The text to continue.", HelpName = "TEXT" };
    private readonly PathOption _promptFile = new("--prompt-file") { Description = "The text to continue, from a file (- = standard input).", HelpName = "FILE" };
    private readonly Option<bool> _chat = new("--chat") { Description = "The prompt is a person's turn in a conversation (chat template, recommended sampling)." };
    private readonly Option<bool> _trust = new("--trust-messages") { Description = "With --chat: special tokens that the prompt spells are special tokens." };
    private readonly SamplingArguments _sampling = new();
    private readonly Option<int> _tokens = new("--tokens") { Description = "The most tokens to make.", HelpName = "N", DefaultValueFactory = _ => 128 };
    private readonly Option<int> _context = new("--context") { Description = "Positions to make room for (default: the prompt's tokens and --tokens).", HelpName = "N" };
    private readonly Option<bool> _ignoreEos = new("--ignore-eos") { Description = "Go on after an end-of-text token." };
    private readonly Option<bool> _timings = new("--timings") { Description = "Also say where the time from the start of the process to the first token went, and how fast the checkpoint loaded." };
    private readonly Option<string> _device = DeviceOption.Create();

    /// <summary>Defines the verb.</summary>
    public GenerateVerb()
        : base(
            "generate",
            "Continues a prompt, token by token; the text streams to standard output.",
            new Example("portable generate llama-w4 --prompt \"The lighthouse keeper\"", "the likeliest continuation"),
            new Example("portable generate llama-w4 --prompt \"Once\" --tokens 200 --temperature 0.8 --top-p 0.95 --seed 7", "a seeded draw; the same on every device"))
    {
        foreach (Option option in (Option[])[_prompt, _promptFile, _chat, _trust, _tokens, _context, _ignoreEos, _timings, _device])
        {
            Options.Add(option);
        }

        _sampling.AddTo(this);
        Arguments.Add(_model);
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        long began = Stopwatch.GetTimestamp();
        bool asChat = parsed.GetValue(_chat);
        string directory = parsed.GetValue(_model)!, said = Prompt(parsed, terminal, cancellation);
        GenerationOptions options = _sampling.Read(parsed, (asChat ? GenerationDefaults.Read(directory) : new GenerationOptions()) with
        {
            MaximumTokens = OptionValues.AtLeast(parsed, _tokens, 1),
            IgnoreEnd = parsed.GetValue(_ignoreEos),
        });
        if (_sampling.Idle(parsed, options) is { } idle)
        {
            terminal.Message(idle);
        }

        Device where = DeviceOption.Parse(parsed.GetValue(_device)!);
        int room = parsed.GetResult(_context) is { Implicit: false } ? OptionValues.AtLeast(parsed, _context, 1) : 0, count = options.MaximumTokens;
        int[] start = [], ends = [];
        using LanguageModel loaded = Loading.Open(directory, where, terminal, cancellation, (source, words) =>
        {
            if (asChat)
            {
                ModelChat conversation = new(directory, words.Tokenizer);
                start = conversation.Render(ModelChat.Request([ChatTurn.User(said)], new ChatTemplateOptions()), trust: parsed.GetValue(_trust)).Ids;
                ends = conversation.TurnEnd() is { } end ? [end] : [];
            }
            else
            {
                start = words.EncodeInput(said);
            }

            return Room(source.Config, start.Length, count, room);
        });
        var ids = new List<int>();
        var text = new StringBuilder();
        void Show(string more)
        {
            text.Append(more);
            if (!terminal.Json)
            {
                terminal.Output.Write(terminal.OnTerminal ? Printable.Of(more) : more);
                terminal.Output.Flush();
            }
        }

        if (!asChat)
        {
            terminal.Dimmed(Printable.Of(said));
        }

        var decoder = new StreamingDecoder(loaded.Tokenizer, before: asChat ? [] : start);
        long first = 0, last = 0;
        using IEnumerator<int> made = loaded.Generate(start, options, cancellation, ends).GetEnumerator();

        // The first token takes the whole prompt; then the text itself shows how far it is.
        bool more = terminal.Track("prompt", bar =>
        {
            int passed = 0, passes = (start.Length + loaded.Model.MaximumRows - 1) / loaded.Model.MaximumRows * loaded.Model.Config.Layers;
            loaded.Model.BlockDone = _ => bar.Report((double)++passed / passes);
            bool any = made.MoveNext();
            loaded.Model.BlockDone = null;
            return any;
        });
        StopTexts stops = new(options.StopTexts);
        for (; more && !stops.Stopped; more = made.MoveNext())
        {
            last = Stopwatch.GetTimestamp();
            first = first == 0 ? last : first;
            ids.Add(made.Current);
            Show(stops.Push(decoder.Next(made.Current)));
        }

        Show(stops.Push(decoder.Finish()) + stops.Finish());
        // The last token is made from the last position of the context, and not fed.
        string stopped = stops.Stopped ? "stop" : ids.Count == count ? "tokens" : start.Length + ids.Count > loaded.Context ? "context" : "end";
        double seconds = Stopwatch.GetElapsedTime(first, last).TotalSeconds;
        StartTimes? times = parsed.GetValue(_timings) && first != 0 ? StartTimes.Of(began, loaded, first) : null;
        var report = new GenerateReport(text.ToString(), [.. ids], seconds > 0 ? (ids.Count - 1) / seconds : 0, loaded.DeviceName, stopped, SamplingReport.Of(options), times);
        terminal.Result(report, JsonReports.Default.GenerateReport, r =>
        {
            terminal.Line("");
            terminal.Message(string.Create(CultureInfo.InvariantCulture, $"{TokenCount.Text(r.Ids.Length)}, {r.TokensPerSecond:F1} tokens/s on {r.Device}"));
            if (r.Stopped == "context")
            {
                terminal.Message(string.Create(CultureInfo.InvariantCulture, $"stopped: the context is full ({loaded.Model.Context:N0} tokens{(loaded.Model.Context < loaded.Model.Config.MaximumPositions ? "; --context makes more room" : $"; {loaded.Model.Config.ContextText}")})"));
            }

            r.Start?.Print(terminal);
        });
        return ExitCode.Done;
    }

    // The text to continue: of the option, a file, or standard input.
    private string Prompt(ParseResult parsed, Terminal terminal, CancellationToken cancellation) => (parsed.GetValue(_prompt), parsed.GetValue(_promptFile)) switch
    {
        ({ } text, null) => text,
        (null, "-") => Waiting.For(terminal.Input.ReadToEnd, cancellation),
        (null, { } file) => Waiting.For(() => ModelFiles.ReadText(file), cancellation),
        (not null, not null) => throw new UsageException("generate takes --prompt TEXT or --prompt-file FILE, not both"),
        _ => throw new UsageException("generate needs --prompt TEXT or --prompt-file FILE"),
    };

    /// <summary>The context to reserve: what was asked for, else what prompt and new tokens take, at most what the model takes.</summary>
    private static int Room(ModelConfig config, int promptTokens, int count, int asked)
    {
        int room = asked > 0 ? asked : (int)Math.Min((long)promptTokens + count, config.MaximumPositions);
        return promptTokens < room
            ? room
            : throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"the prompt has {promptTokens:N0} tokens: no room for more ({(asked > 0 ? $"--context {asked:N0}" : config.ContextText)})"));
    }
}
