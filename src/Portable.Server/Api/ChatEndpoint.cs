using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Portable.Chat.Tools;
using Portable.Generation.Constraints;
using Portable.Server.Http;
using Portable.Serving;

namespace Portable.Server.Api;

/// <summary>/v1/chat/completions.</summary>
internal static class ChatEndpoint
{
    public static async Task AnswerAsync(HttpContext context, Service service)
    {
        Fields fields = new(await JsonBody.ReadAsync(context).ConfigureAwait(false));
        service.Accept(fields);
        fields.Refuse("audio", "web_search_options", "chat_template", "documents", "continue_final_message", "echo", "best_of", "suffix");
        Modalities(fields);
        JsonElement? tools = ChatFields.Tools(fields);
        List<ChatTurn> turns = ChatFields.Messages(fields);
        long most = fields.Integer("max_completion_tokens", 1, int.MaxValue) ?? fields.Integer("max_tokens", 1, int.MaxValue) ?? int.MaxValue;
        GenerationOptions options = SamplingFields.Read(fields, service.Defaults, (int)most);
        bool likelihoods = fields.Flag("logprobs") ?? false;
        int likeliest = (int)(fields.Integer("top_logprobs", 0, 20) ?? 0);
        if (likeliest > 0 && !likelihoods)
        {
            throw new ApiException(400, "'top_logprobs' needs 'logprobs': true.", "top_logprobs", "invalid_value");
        }

        service.AcceptTools(tools);
        ByteProgram? shape = ShapeFields.Read(fields, tools, service.Model);
        ChatTemplateOptions chat = new() { Tools = tools, Variables = fields.Object("chat_template_kwargs")?.All.ToDictionary(p => p.Name, p => p.Value) ?? [] };
        (bool stream, bool usage) = SamplingFields.Streaming(fields);
        using CancellationTokenSource limit = service.Limit(context);
        string owner = Access.OwnerOf(context);
        ServedChat[] chats = new ServedChat[SamplingFields.Choices(fields)];
        try
        {
            for (int i = 0; i < chats.Length; i++)
            {
                chats[i] = service.Model.ServeChat(turns, options with { Choice = i }, chat, r => r with { Owner = owner, Likeliest = likelihoods ? likeliest : null, Shape = shape is null ? null : service.Model.Shape(shape) }, limit.Token);
            }

            Head head = new(Service.NewId("chatcmpl"), Service.Now, service.Name, service.Model.Fingerprint);
            await (stream ? StreamAsync(context, service, chats, head, usage, limit.Token) : WholeAsync(context, service, chats, head, limit.Token)).ConfigureAwait(false);
        }
        finally
        {
            await limit.CancelAsync().ConfigureAwait(false);
            service.Telemetry.Count("chat", [.. chats.Where(c => c is not null).Select(c => c.Answer)]);
        }
    }

    private readonly record struct Head(string Id, long Created, string Model, string? Fingerprint);

    private static async Task WholeAsync(HttpContext context, Service service, ServedChat[] chats, Head head, CancellationToken cancellation)
    {
        ChatChoice[] choices = await Task.WhenAll(chats.Select((chat, i) => ChoiceAsync(service, chat, i, cancellation))).ConfigureAwait(false);
        ChatAnswer answer = new(head.Id, "chat.completion", head.Created, head.Model, head.Fingerprint, choices, Service.UsageOf([.. chats.Select(c => c.Answer)]));
        await Service.WriteAsync(context, answer, Wire.Plain.ChatAnswer).ConfigureAwait(false);
    }

    private static async Task<ChatChoice> ChoiceAsync(Service service, ServedChat chat, int index, CancellationToken cancellation)
    {
        StringBuilder text = new();
        List<ToolCall> calls = [];
        List<TokenLogprob> logprobs = [];
        await foreach (ChatPiece piece in chat.Pieces(cancellation).ConfigureAwait(false))
        {
            text.Append(piece.Text);
            calls.AddRange(piece.Calls);
            if (piece.Piece.Likelihood is { } likelihood)
            {
                logprobs.Add(service.Logprob(likelihood));
            }
        }

        CallEntry[]? entries = calls.Count == 0 ? null : [.. calls.Select(c => new CallEntry(null, c.Id!, "function", new CalledFunction(c.Name, c.Arguments)))];
        AnswerMessage message = new("assistant", calls.Count > 0 && text.Length == 0 ? null : text.ToString(), null, entries);
        return new ChatChoice(index, message, chat.Answer.Request.Likeliest is null ? null : new ChatLogprobs([.. logprobs]), Reason(chat));
    }

    private static async Task StreamAsync(HttpContext context, Service service, ServedChat[] chats, Head head, bool usage, CancellationToken cancellation)
    {
        using EventStream events = new(context);
        // What fails before the first token has a status of its own.
        await chats[0].Answer.Pieces.WaitToReadAsync(cancellation).ConfigureAwait(false);
        await events.StartAsync().ConfigureAwait(false);
        await Task.WhenAll(chats.Select((chat, i) => StreamAsync(service, events, chat, i, head, cancellation))).ConfigureAwait(false);
        if (usage)
        {
            await events.SendAsync(Chunk(head, [], Service.UsageOf([.. chats.Select(c => c.Answer)])), Wire.Plain.ChatChunk).ConfigureAwait(false);
        }

        await events.SendAsync("[DONE]"u8.ToArray()).ConfigureAwait(false);
    }

    private static async Task StreamAsync(Service service, EventStream events, ServedChat chat, int index, Head head, CancellationToken cancellation)
    {
        Task Send(ChatDelta delta, ChatLogprobs? logprobs = null, string? reason = null) =>
            events.SendAsync(Chunk(head, [new ChunkChoice(index, delta, logprobs, reason)], null), Wire.Plain.ChatChunk);
        await Send(new ChatDelta("assistant", string.Empty, null)).ConfigureAwait(false);
        int calls = 0;
        await foreach (ChatPiece piece in chat.Pieces(cancellation).ConfigureAwait(false))
        {
            ChatLogprobs? logprobs = piece.Piece.Likelihood is { } likelihood ? new ChatLogprobs([service.Logprob(likelihood)]) : null;
            if (piece.Text.Length > 0 || logprobs is not null)
            {
                await Send(new ChatDelta(null, piece.Text, null), logprobs).ConfigureAwait(false);
            }

            foreach (ToolCall call in piece.Calls)
            {
                await Send(new ChatDelta(null, null, [new CallEntry(calls++, call.Id!, "function", new CalledFunction(call.Name, call.Arguments))])).ConfigureAwait(false);
            }
        }

        await Send(new ChatDelta(null, null, null), reason: Reason(chat)).ConfigureAwait(false);
    }

    private static ChatChunk Chunk(Head head, ChunkChoice[] choices, Usage? usage) => new(head.Id, "chat.completion.chunk", head.Created, head.Model, head.Fingerprint, choices, usage);

    private static string Reason(ServedChat chat) => chat.Answer.End == AnswerEnd.Length ? "length" : chat.Calls > 0 ? "tool_calls" : "stop";

    private static void Modalities(Fields fields)
    {
        if (fields.Texts("modalities") is { } modalities && modalities.Any(m => m != "text"))
        {
            throw new ApiException(400, "'modalities' must be text.", "modalities", "unsupported_parameter");
        }
    }
}
