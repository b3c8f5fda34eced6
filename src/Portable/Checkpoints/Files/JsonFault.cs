using System.Globalization;
using System.Text.Json;

namespace Portable.Checkpoints.Files;

/// <summary>Where text is no JSON, in words: the framework's own speak of depths, payloads and a position in a line.</summary>
internal static class JsonFault
{
    /// <summary>The place of a fault, counted from 1; "its end" where the reader does not say.</summary>
    public static string Place(JsonException fault) => fault is { LineNumber: { } line, BytePositionInLine: { } at }
        ? string.Create(CultureInfo.InvariantCulture, $"line {line + 1}, byte {at + 1}") : "its end";

    /// <summary>What is wrong: a fault of the text by its place, what a reader of ours found in its own words.</summary>
    public static string Words(Exception fault) => fault is JsonException { BytePositionInLine: not null } json ? $"no JSON at {Place(json)}" : fault.Message;
}
