using System.Text.Json;
using System.Text.Unicode;
using Microsoft.AspNetCore.Http;

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
            throw new ApiException(e.StatusCode, e.StatusCode == 413 ? "The request is longer than this server takes." : "The request cannot be read.");
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
            throw new ApiException(400, $"The request {(Repeats(body) ? "has a key twice" : "is not JSON")}: {e.Message}", code: "invalid_json");
        }
        catch (InvalidOperationException)
        {
            throw new ApiException(400, "The request holds a text with an unpaired surrogate.", code: "invalid_json");
        }
    }

    private static bool Repeats(ReadOnlyMemory<byte> body)
    {
        try
        {
            using JsonDocument document = JsonDocument.Parse(body, Strict with { AllowDuplicateProperties = true });
            return true;
        }
        catch (JsonException)
        {
            return false;
        }
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
