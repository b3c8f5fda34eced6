using System.CommandLine;
using Portable.Cli.CommandLine;
using Portable.Cli.Conversations;
using Portable.Cli.Devices;
using Portable.Cli.Output;

namespace Portable.Cli.Verbs;

/// <summary>The answer of <c>portable chat --json</c>.</summary>
/// <param name="Messages">The conversation.</param>
/// <param name="Device">The device that served.</param>
/// <param name="Sampling">How tokens were chosen.</param>
internal sealed record ChatReport(IReadOnlyList<ChatTurn> Messages, string Device, SamplingReport Sampling);

/// <summary>Holds a conversation on the terminal.</summary>
internal sealed class ChatVerb : Verb
{
    private readonly Argument<string> _model = ModelFiles.CreateArgument();
    private readonly Option<string> _system = new("--system") { Description = "What the model is told to be.", HelpName = "TEXT" };
    private readonly Option<int> _tokens = new("--tokens") { Description = "The most tokens of an answer (default: what the context has room for).", HelpName = "N" };
    private readonly Option<int> _context = new("--context") { Description = "Tokens that the conversation can have (default: the model's, at most what memory allows).", HelpName = "N" };
    private readonly Option<string> _template = new("--template") { Description = "Name of the chat template, where the model has several.", HelpName = "NAME" };
    private readonly Option<bool> _trust = new("--trust-messages") { Description = "Special tokens that messages spell are special tokens, not ordinary text." };
    private readonly Option<string> _device = DeviceOption.Create();
    private readonly SamplingArguments _sampling = new();

    /// <summary>Defines the verb.</summary>
    public ChatVerb()
        : base(
            "chat",
            "Holds a conversation on the terminal, or answers the lines of standard input one by one.",
            new Example("portable chat qwen3-w4", "sampling as the model's makers recommend; /help lists commands"),
            new Example("portable chat qwen3-w4 --system \"Answer in French.\" --temperature 0 --device vulkan", "always the likeliest token, on the GPU"))
    {
        foreach (Option option in (Option[])[_system, _tokens, _context, _template, _trust, _device])
        {
            Options.Add(option);
        }

        _sampling.AddTo(this);
        Arguments.Add(_model);
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        Device where = DeviceOption.Parse(parsed.GetValue(_device)!);
        int asked = parsed.GetResult(_context) is { Implicit: false } ? OptionValues.AtLeast(parsed, _context, 2) : 0;
        int most = parsed.GetResult(_tokens) is { Implicit: false } ? OptionValues.AtLeast(parsed, _tokens, 1) : int.MaxValue;
        _sampling.Read(parsed, new GenerationOptions());
        using LanguageModel loaded = ConversationRoom.Open(parsed.GetValue(_model)!, where, asked, 1, terminal, cancellation);
        GenerationOptions options = _sampling.Read(parsed, loaded.RecommendedOptions with { MaximumTokens = most });
        if (_sampling.Idle(parsed, options) is { } idle)
        {
            terminal.Message(idle);
        }

        Conversation conversation = new(loaded, options, new ChatTemplateOptions { Template = parsed.GetValue(_template), TrustMessages = parsed.GetValue(_trust) }, parsed.GetValue(_system));
        ChatConsole console = new(terminal);
        bool well = console.Run(conversation, cancellation);
        if (terminal.Json)
        {
            terminal.Result(new ChatReport(conversation.Messages, loaded.DeviceName, SamplingReport.Of(options)), JsonReports.Default.ChatReport, _ => { });
        }

        return well ? ExitCode.Done : ExitCode.Failed;
    }
}
