using System.Text;
using System.Text.Json;
using Microsoft.AspNetCore.Http;
using Portable.Chat.Tools;
using Portable.Generation.Constraints;
using Portable.Server.Http;
using Portable.Serving;

namespace Portable.Server.Api;

/// <summary>/v1/responses in its common part: text and functions in and out, nothing kept between requests.</summary>
internal static class ResponseEndpoint
{
    /// <summary>Where it is.</summary>
    public const string Path = "/v1/responses";

    public static async Task AnswerAsync(HttpContext context, Service service)
    {
        Fields fields = new(await JsonBody.ReadAsync(context).ConfigureAwait(false));
        service.Accept(fields);
        fields.Refuse("previous_response_id", "conversation", "prompt", "background", "reasoning", "modalities", "n", "messages");
        if (fields.Text("truncation") is { } truncation && truncation != "disabled")
        {
            throw new ApiException(400, "'truncation' must be disabled.", "truncation", "unsupported_parameter");
        }

        JsonElement? tools = ResponseFields.Tools(fields);
        List<ChatTurn> turns = ResponseFields.Turns(fields);
        long most = fields.Integer("max_output_tokens", 1, int.MaxValue) ?? int.MaxValue;
        GenerationOptions options = SamplingFields.Read(fields, service.Defaults, (int)most);
        service.AcceptTools(tools);
        ByteProgram? shape = ShapeFields.ReadResponse(fields, tools, service.Model);
        bool stream = fields.Flag("stream") ?? false;
        string owner = Access.OwnerOf(context);
        using CancellationTokenSource limit = service.Limit(context);
        ServedChat? chat = null;
        try
        {
            chat = service.Model.ServeChat(turns, options, new ChatTemplateOptions { Tools = tools }, r => r with { Owner = owner, Shape = shape is null ? null : service.Model.Shape(shape) }, limit.Token);
            ResponseWriter writer = new(fields, service.Name, service.Model.Fingerprint, options, tools);
            await (stream ? StreamAsync(context, chat, writer, limit.Token) : WholeAsync(context, chat, writer, limit.Token)).ConfigureAwait(false);
        }
        finally
        {
            await limit.CancelAsync().ConfigureAwait(false);
            service.Telemetry.Count("chat", chat is null ? [] : [chat.Answer]);
        }
    }

    private static async Task WholeAsync(HttpContext context, ServedChat chat, ResponseWriter writer, CancellationToken cancellation)
    {
        await foreach (ChatPiece piece in chat.Pieces(cancellation).ConfigureAwait(false))
        {
            writer.AddText(piece.Text);
            foreach (ToolCall call in piece.Calls)
            {
                writer.AddCall(call);
            }
        }

        context.Response.ContentType = "application/json; charset=utf-8";
        await context.Response.Body.WriteAsync(writer.Response(chat.Answer), context.RequestAborted).ConfigureAwait(false);
    }

    private static async Task StreamAsync(HttpContext context, ServedChat chat, ResponseWriter writer, CancellationToken cancellation)
    {
        using EventStream events = new(context);
        await chat.Answer.Pieces.WaitToReadAsync(cancellation).ConfigureAwait(false);
        await events.StartAsync().ConfigureAwait(false);
        Task Send(string type, byte[] data) => events.SendAsync(data, type);
        await Send("response.created", writer.Event("response.created", null)).ConfigureAwait(false);
        await Send("response.in_progress", writer.Event("response.in_progress", null)).ConfigureAwait(false);
        await foreach (ChatPiece piece in chat.Pieces(cancellation).ConfigureAwait(false))
        {
            if (piece.Text.Length > 0)
            {
                foreach ((string type, byte[] data) in writer.TextEvents(piece.Text))
                {
                    await Send(type, data).ConfigureAwait(false);
                }
            }

            foreach (ToolCall call in piece.Calls)
            {
                foreach ((string type, byte[] data) in writer.CallEvents(call))
                {
                    await Send(type, data).ConfigureAwait(false);
                }
            }
        }

        foreach ((string type, byte[] data) in writer.CloseEvents())
        {
            await Send(type, data).ConfigureAwait(false);
        }

        string end = chat.Answer.End == AnswerEnd.Length ? "response.incomplete" : "response.completed";
        await Send(end, writer.Event(end, chat.Answer)).ConfigureAwait(false);
    }
}
