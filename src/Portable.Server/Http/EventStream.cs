using System.Text.Json;
using System.Text.Json.Serialization.Metadata;
using Microsoft.AspNetCore.Http;

namespace Portable.Server.Http;

/// <summary>Server-sent events; several writers take turns.</summary>
internal sealed class EventStream(HttpContext context) : IDisposable
{
    private readonly SemaphoreSlim _turn = new(1);

    /// <summary>Sends the head of the answer.</summary>
    public Task StartAsync()
    {
        HttpResponse response = context.Response;
        response.ContentType = "text/event-stream; charset=utf-8";
        response.Headers.CacheControl = "no-cache";
        // Proxies that hold answers back until they are whole are asked not to.
        response.Headers["X-Accel-Buffering"] = "no";
        return response.StartAsync(context.RequestAborted);
    }

    /// <summary>Sends one event.</summary>
    /// <param name="value">Its data.</param>
    /// <param name="type">Its JSON shape.</param>
    /// <param name="name">Its name, or null.</param>
    public Task SendAsync<T>(T value, JsonTypeInfo<T> type, string? name = null) => SendAsync(JsonSerializer.SerializeToUtf8Bytes(value, type), name);

    /// <summary>Sends one event.</summary>
    public async Task SendAsync(ReadOnlyMemory<byte> data, string? name = null)
    {
        await _turn.WaitAsync(context.RequestAborted).ConfigureAwait(false);
        try
        {
            System.IO.Pipelines.PipeWriter writer = context.Response.BodyWriter;
            if (name is not null)
            {
                Write(writer, System.Text.Encoding.UTF8.GetBytes($"event: {name}\n"));
            }

            Write(writer, "data: "u8);
            Write(writer, data.Span);
            Write(writer, "\n\n"u8);
            await writer.FlushAsync(context.RequestAborted).ConfigureAwait(false);
        }
        finally
        {
            _turn.Release();
        }
    }

    public void Dispose() => _turn.Dispose();

    private static void Write(System.IO.Pipelines.PipeWriter writer, ReadOnlySpan<byte> bytes)
    {
        bytes.CopyTo(writer.GetSpan(bytes.Length));
        writer.Advance(bytes.Length);
    }
}
