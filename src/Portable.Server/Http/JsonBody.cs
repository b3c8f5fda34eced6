using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;
using Portable.Checkpoints.Files;

namespace Portable.Server.Http;

/// <summary>Bodies of requests.</summary>
internal static class JsonBody
{
    // A duplicate field means one thing to this reader and another to the next.
    private static readonly JsonDocumentOptions Strict = new() { MaxDepth = 64, AllowDuplicateProperties = false };

    /// <summary>Reads the JSON object of a request.</summary>
    /// <exception cref="ApiException">It is none, is too long, or holds text that is no Unicode.</exception>
    public static async Task<JsonElement> ReadAsync(HttpContext context)
    {
        using MemoryStream bytes = new();
        try
        {
            await context.Request.Body.CopyToAsync(bytes, context.RequestAborted).ConfigureAwait(false);
        }
        catch (BadHttpRequestException e)
        {
            throw Unreadable(e);
        }

        ReadOnlyMemory<byte> body = bytes.GetBuffer().AsMemory(0, (int)bytes.Length);
        if (!Utf8.IsValid(body.Span))
        {
            throw new ApiException(400, "The request is not UTF-8.", code: "invalid_json");
        }

        try
        {
            using JsonDocument document = JsonDocument.Parse(body, Strict);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new ApiException(400, "The request must be a JSON object.", code: "invalid_json");
            }

            CheckTexts(document.RootElement);
            return document.RootElement.Clone();
        }
        catch (JsonException e)
        {
            throw new ApiException(400, Repeated(body) is { } key ? $"The request has a key twice: '{key}'." : $"The request is not JSON: {JsonFault.Place(e)}.", code: "invalid_json");
        }
        catch (InvalidOperationException)
        {
            throw new ApiException(400, "The request holds a text with an unpaired surrogate.", code: "invalid_json");
        }
    }

    /// <summary>The error of a request that the server gave up reading.</summary>
    public static ApiException Unreadable(BadHttpRequestException e) => e.StatusCode switch
    {
        408 => new ApiException(408, "The request did not come in time: its body stalled.", code: "request_timeout"),
        413 => new ApiException(413, "The request is longer than this server takes."),
        _ => new ApiException(e.StatusCode, "The request cannot be read."),
    };

    // The key that stands twice where nothing else is wrong, or null.
    private static string? Repeated(ReadOnlyMemory<byte> body)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body, Strict with { AllowDuplicateProperties = true });
            return Repeated(document.RootElement);
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    private static string? Repeated(JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.Array)
        {
            return element.EnumerateArray().Select(Repeated).FirstOrDefault(key => key is not null);
        }

        HashSet<string> names = new(StringComparer.Ordinal);
        return element.ValueKind != JsonValueKind.Object ? null
            : element.EnumerateObject().Select(property => names.Add(property.Name) ? Repeated(property.Value) : property.Name).FirstOrDefault(key => key is not null);
    }

    // Escapes can spell halves of characters, which no text has.
    private static void CheckTexts(JsonElement element)
    {
        switch (element.ValueKind)
        {
            case JsonValueKind.String: element.GetString(); break;
            case JsonValueKind.Array:
                foreach (JsonElement item in element.EnumerateArray())
                {
                    CheckTexts(item);
                }

                break;
            case JsonValueKind.Object:
                foreach (JsonProperty property in element.EnumerateObject())
                {
                    _ = property.Name;
                    CheckTexts(property.Value);
                }

                break;
            default: break;
        }
    }
}
