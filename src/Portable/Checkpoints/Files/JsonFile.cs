using System.Text;
using System.Text.Json;
using System.Text.Unicode;

namespace Portable.Checkpoints.Files;

/// <summary>Reads JSON that strangers wrote: valid UTF-8, one value, no duplicate keys, errors as <see cref="CheckpointException"/>.</summary>
internal static class JsonFile
{
    // config.json, indexes, manifests and tokenizers are far smaller; a larger one is no such file.
    private const long LongestFile = 256L << 20;

    private static readonly JsonDocumentOptions Options = new() { MaxDepth = 64 };

    /// <summary>Reads a whole file whose root is an object.</summary>
    public static JsonDocument Read(string path) => Parse(path, Text(path, LongestFile), 0);

    /// <summary>Reads the text of a file of at most <paramref name="longest"/> bytes, without the byte order mark that some editors write and JSON does not know.</summary>
    public static ReadOnlyMemory<byte> Text(string path, long longest)
    {
        byte[] bytes = FileBytes.Read(path, longest);
        return bytes.AsSpan().StartsWith("\uFEFF"u8) ? bytes.AsMemory(3) : bytes;
    }

    /// <summary>Parses an object that lies at <paramref name="offset"/> of a file.</summary>
    public static JsonDocument Parse(string path, ReadOnlyMemory<byte> text, long offset)
    {
        if (!Utf8.IsValid(text.Span))
        {
            throw new CheckpointException(path, "not valid UTF-8", offset: offset + FirstInvalid(text.Span));
        }

        try
        {
            JsonDocument document = JsonDocument.Parse(text, Options);
            if (document.RootElement.ValueKind != JsonValueKind.Object)
            {
                throw new CheckpointException(path, "not a JSON object", offset: offset);
            }

            CheckDuplicates(path, document.RootElement);
            return document;
        }
        catch (JsonException e)
        {
            long? at = e.LineNumber == 0 ? offset + e.BytePositionInLine : null;
            throw new CheckpointException(path, at is null ? $"not valid JSON, at {JsonFault.Place(e)}" : "not valid JSON", offset: at, inner: e);
        }
    }

    // The parser has an option for this, but its message cuts the key after 15 characters: too few to tell tensors apart.
    private static void CheckDuplicates(string path, JsonElement element)
    {
        if (element.ValueKind == JsonValueKind.Array)
        {
            foreach (JsonElement item in element.EnumerateArray())
            {
                CheckDuplicates(path, item);
            }
        }

        if (element.ValueKind != JsonValueKind.Object)
        {
            return;
        }

        HashSet<string> keys = new(StringComparer.Ordinal);
        foreach (JsonProperty property in element.EnumerateObject())
        {
            if (!keys.Add(property.Name))
            {
                throw new CheckpointException(path, $"duplicate key '{property.Name}'");
            }

            CheckDuplicates(path, property.Value);
        }
    }

    private static int FirstInvalid(ReadOnlySpan<byte> text)
    {
        int at = 0;
        while (at < text.Length && Rune.DecodeFromUtf8(text[at..], out _, out int consumed) == System.Buffers.OperationStatus.Done)
        {
            at += consumed;
        }

        return at;
    }
}
