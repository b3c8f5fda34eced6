using System.CommandLine;
using System.Text;
using System.Text.Json;
using Portable.Chat.Templates;
using Portable.Checkpoints;
using Portable.Checkpoints.Format;
using Portable.Checkpoints.HuggingFace;
using Portable.Cli.CommandLine;
using Portable.Cli.Output;
using Portable.Tokenizers;

namespace Portable.Cli.Verbs;

/// <summary>A rendered conversation, or why there is none.</summary>
/// <param name="Text">What the model reads.</param>
/// <param name="Ids">Its token ids.</param>
/// <param name="Error">Why the template gives none.</param>
internal sealed record RenderedReport(string? Text, int[]? Ids, string? Error = null);

/// <summary>The answer of <c>portable render --chats</c>.</summary>
/// <param name="Chats">In the order of the file.</param>
internal sealed record RenderedChatsReport(RenderedReport[] Chats);

/// <summary>Shows what a model's chat template makes of messages.</summary>
internal sealed class RenderVerb : Verb
{
    private const long LongestFile = 64 << 20;

    private readonly DirectoryArgument<string> _model = new("MODEL") { Description = "Directory of a model, or of its tokenizer files alone." };
    private readonly PathOption _messages = new("--messages") { Description = "JSON array of messages with role and content (- = standard input).", HelpName = "FILE.json|-" };
    private readonly PathOption _tools = new("--tools") { Description = "JSON array of tool definitions.", HelpName = "FILE.json" };
    private readonly PathOption _variables = new("--variables") { Description = "JSON object of more names for the template.", HelpName = "FILE.json" };
    private readonly Option<bool> _noPrompt = new("--no-generation-prompt") { Description = "End with the last message, not with the start of an answer." };
    private readonly PathOption _chats = new("--chats") { Description = "JSON array of {messages, tools, add_generation_prompt, variables}.", HelpName = "FILE.json" };
    private readonly Option<string> _template = new("--template") { Description = "Name of the template, where the model has several.", HelpName = "NAME" };
    private readonly Option<bool> _plain = new("--plain") { Description = "Special tokens that messages spell are ordinary text, as in chat." };

    /// <summary>Defines the verb.</summary>
    public RenderVerb()
        : base(
            "render",
            "Applies a model's chat template to messages; shows the text and its token ids.",
            new Example("portable render qwen3 --messages chat.json", "the prompt that the model reads"),
            new Example("portable render qwen3 --messages chat.json --tools tools.json --json", "with tools; text and ids"))
    {
        foreach (Option option in (Option[])[_messages, _tools, _noPrompt, _variables, _chats, _template, _plain])
        {
            Options.Add(option);
        }

        Arguments.Add(_model);
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        string directory = parsed.GetValue(_model)!;
        string? several = parsed.GetValue(_chats), one = parsed.GetValue(_messages);
        if ((several is null) == (one is null))
        {
            throw new UsageException(one is null ? "render needs --messages FILE.json or --chats FILE.json" : "render takes --messages FILE.json or --chats FILE.json, not both");
        }

        UnfinishedCheckpoint.Refuse(directory);
        if (!Directory.Exists(directory))
        {
            throw new CheckpointException(directory, ForeignLayout.OfPath(directory));
        }

        ModelChat chat = new(directory, Tokenizer.Open(directory));
        RenderedReport Render(ChatRequest request)
        {
            (string text, int[] ids) = chat.Render(request, parsed.GetValue(_template), !parsed.GetValue(_plain));
            return new RenderedReport(text, ids);
        }

        if (one is not null)
        {
            RenderedReport report = Render(new ChatRequest(
                Messages(one, Json(one, JsonValueKind.Array, terminal, cancellation)),
                parsed.GetValue(_tools) is { } file ? Tools(file, Json(file, JsonValueKind.Array, terminal, cancellation)) : null,
                !parsed.GetValue(_noPrompt),
                parsed.GetValue(_variables) is { } names ? Names(Json(names, JsonValueKind.Object, terminal, cancellation)) : new Dictionary<string, JsonElement>()));
            terminal.Result(report, JsonReports.Default.RenderedReport, r =>
            {
                terminal.Line(Printable.Of(r.Text!));
                terminal.Message(TokenCount.Text(r.Ids!.Length));
            });
            return ExitCode.Done;
        }

        List<RenderedReport> reports = [];
        foreach (JsonElement entry in Json(several!, JsonValueKind.Array, terminal, cancellation).EnumerateArray())
        {
            cancellation.ThrowIfCancellationRequested();
            reports.Add(RenderOr(entry, several!, Render));
        }

        terminal.Result(new RenderedChatsReport([.. reports]), JsonReports.Default.RenderedChatsReport, r =>
        {
            foreach (RenderedReport report in r.Chats)
            {
                terminal.Line(report.Error is null ? Printable.Of(report.Text!) : $"error: {Printable.Of(report.Error)}");
            }
        });
        return ExitCode.Done;
    }

    // A file that is no array of these is refused whole; a chat that the template refuses is one error among answers.
    private static RenderedReport RenderOr(JsonElement entry, string file, Func<ChatRequest, RenderedReport> render)
    {
        if (entry.ValueKind != JsonValueKind.Object || !entry.TryGetProperty("messages", out JsonElement said) || said.ValueKind != JsonValueKind.Array)
        {
            throw new CheckpointException(file, "a chat is an object with an array of messages");
        }

        JsonElement? Optional(string name, params JsonValueKind[] kinds) => !entry.TryGetProperty(name, out JsonElement value) || value.ValueKind == JsonValueKind.Null ? null
            : kinds.Contains(value.ValueKind) ? value
            : throw new CheckpointException(file, $"{name} of a chat is {(kinds[0] == JsonValueKind.Array ? "an array" : kinds[0] == JsonValueKind.Object ? "an object" : "true or false")}");
        ChatRequest request = new(
            said,
            Optional("tools", JsonValueKind.Array) is { } tools ? Tools(file, tools) : null,
            Optional("add_generation_prompt", JsonValueKind.True, JsonValueKind.False) is not { ValueKind: JsonValueKind.False },
            Optional("variables", JsonValueKind.Object) is { } names ? Names(names) : new Dictionary<string, JsonElement>());
        try
        {
            return render(request);
        }
        catch (TemplateException failure)
        {
            return new RenderedReport(null, null, failure.Message);
        }
    }

    // The last of equal names holds, as everywhere in JSON.
    private static Dictionary<string, JsonElement> Names(JsonElement element) => element.EnumerateObject().GroupBy(p => p.Name).ToDictionary(g => g.Key, g => g.Last().Value);

    // Tool calls may stand in the place of a content; a message without a role is none.
    private static JsonElement Messages(string file, JsonElement messages)
    {
        int number = 0;
        foreach (JsonElement message in messages.EnumerateArray())
        {
            number++;
            if (message.ValueKind != JsonValueKind.Object || !message.EnumerateObject().Any(p => p.Value.ValueKind == JsonValueKind.String && p.NameEquals("role")))
            {
                throw new CheckpointException(file, $"message {number} is no object with a role and a content");
            }
        }

        return messages;
    }

    private static JsonElement Tools(string file, JsonElement tools)
    {
        int number = 1 + tools.EnumerateArray().TakeWhile(t => t.ValueKind == JsonValueKind.Object).Count();
        return number > tools.GetArrayLength() ? tools : throw new CheckpointException(file, $"tool {number} is no object");
    }

    private static JsonElement Json(string file, JsonValueKind kind, Terminal terminal, CancellationToken cancellation)
    {
        static JsonElement Root(ReadOnlyMemory<byte> bytes) => JsonDocument.Parse(bytes).RootElement;
        JsonElement root = Waiting.For(
            () => file == "-" ? WrittenJson.Parse("standard input", Encoding.UTF8.GetBytes(terminal.Input.ReadToEnd()), Root) : WrittenJson.Read(file, LongestFile, Root),
            cancellation);
        return root.ValueKind == kind ? root : throw new CheckpointException(file, kind == JsonValueKind.Array ? "a JSON array is expected" : "a JSON object is expected");
    }
}
