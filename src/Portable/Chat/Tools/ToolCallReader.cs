using System.Text;
using System.Text.Json;

namespace Portable.Chat.Tools;

/// <summary>
/// Separates calls of functions from the text of an answer as it comes. Text that could be the start of a call is held back until
/// it is known; what turns out to be no call is text.
/// </summary>
/// <param name="format">How calls are written.</param>
internal sealed class ToolCallReader(ToolCallFormat format)
{
    private const string Open = "<tool_call>", Close = "</tool_call>", Python = "<|python_tag|>";
    private readonly StringBuilder _held = new();
    private bool _text = format == ToolCallFormat.None, _calls;

    /// <summary>Takes a piece of the answer.</summary>
    /// <returns>Text, and calls that are complete, in the order in which they were written: the text comes first.</returns>
    public (string Text, IReadOnlyList<ToolCall> Calls) Push(string piece)
    {
        if (_text)
        {
            return (piece, []);
        }

        _held.Append(piece);
        return format == ToolCallFormat.Tagged ? Tagged(ended: false) : (Whole(), []);
    }

    /// <summary>What is left when the answer has ended.</summary>
    public (string Text, IReadOnlyList<ToolCall> Calls) Finish()
    {
        if (_text)
        {
            return (string.Empty, []);
        }

        if (format == ToolCallFormat.Tagged)
        {
            return Tagged(ended: true);
        }

        string all = _held.ToString();
        string body = all.TrimStart();
        body = body.StartsWith(Python, StringComparison.Ordinal) ? body[Python.Length..] : body;
        List<ToolCall> calls = [];
        // Several calls are parted by semicolons or line ends.
        byte[] json = Encoding.UTF8.GetBytes(body.Trim());
        for (int at = 0; at < json.Length;)
        {
            if (Call(json.AsSpan(at), "parameters", out int length) is not { } call)
            {
                return (all, []);
            }

            calls.Add(call);
            at += length;
            while (at < json.Length && (json[at] == ';' || char.IsWhiteSpace((char)json[at])))
            {
                at++;
            }
        }

        return calls.Count > 0 ? (string.Empty, calls) : (all, []);
    }

    // Held for as long as it may be nothing but calls.
    private string Whole()
    {
        string start = _held.ToString().TrimStart();
        if (start.Length == 0 || start[0] == '{' || start.StartsWith(Python, StringComparison.Ordinal) || Python.StartsWith(start, StringComparison.Ordinal))
        {
            return string.Empty;
        }

        _text = true;
        return _held.ToString();
    }

    private (string, IReadOnlyList<ToolCall>) Tagged(bool ended)
    {
        StringBuilder text = new();
        List<ToolCall> calls = [];
        while (true)
        {
            string held = _held.ToString();
            int open = held.IndexOf(Open, StringComparison.Ordinal);
            if (open < 0)
            {
                int keep = ended ? 0 : Overlap(held, Open);
                string known = held[..(held.Length - keep)];
                // Line ends around calls are the template's; elsewhere they are text.
                string shown = ended && !_calls ? known : known.TrimEnd();
                text.Append(shown);
                _held.Clear().Append(held.AsSpan(ended ? held.Length : shown.Length));
                return (text.ToString(), calls);
            }

            int close = held.IndexOf(Close, open, StringComparison.Ordinal);
            if (close < 0 && !ended)
            {
                string before = held[..open].TrimEnd();
                text.Append(before);
                _held.Remove(0, open);
                return (text.ToString(), calls);
            }

            int stop = close < 0 ? held.Length : close;
            byte[] body = Encoding.UTF8.GetBytes(held[(open + Open.Length)..stop].Trim());
            if (Call(body, "arguments", out int length) is { } call && length == body.Length)
            {
                text.Append(held[..open].TrimEnd());
                calls.Add(call);
                _calls = true;
            }
            else
            {
                text.Append(held.AsSpan(0, close < 0 ? held.Length : close + Close.Length));
            }

            _held.Clear().Append(held.AsSpan(close < 0 ? held.Length : close + Close.Length));
        }
    }

    private static ToolCall? Call(ReadOnlySpan<byte> json, string arguments, out int length)
    {
        length = 0;
        Utf8JsonReader reader = new(json, isFinalBlock: true, default);
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject || !Ends(json, out length))
            {
                return null;
            }

            using JsonDocument document = JsonDocument.Parse(Encoding.UTF8.GetString(json[..length]));
            JsonElement root = document.RootElement;
            string other = arguments == "arguments" ? "parameters" : "arguments";
            return root.TryGetProperty("name", out JsonElement name) && name.ValueKind == JsonValueKind.String
                && (root.TryGetProperty(arguments, out JsonElement values) || root.TryGetProperty(other, out values)) && values.ValueKind == JsonValueKind.Object
                ? new ToolCall(name.GetString()!, values.GetRawText())
                : null;
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return null;
        }
    }

    // Where the object that begins here ends.
    private static bool Ends(ReadOnlySpan<byte> json, out int length)
    {
        int depth = 0;
        bool text = false;
        for (length = 0; length < json.Length; length++)
        {
            byte b = json[length];
            if (text)
            {
                length += b == '\\' ? 1 : 0;
                text = b != '"';
                continue;
            }

            text = b == '"';
            depth += b is (byte)'{' or (byte)'[' ? 1 : b is (byte)'}' or (byte)']' ? -1 : 0;
            if (depth == 0)
            {
                length++;
                return true;
            }
        }

        return false;
    }

    private static int Overlap(string text, string tag)
    {
        for (int length = Math.Min(text.Length, tag.Length - 1); length > 0; length--)
        {
            if (text.AsSpan(text.Length - length).SequenceEqual(tag.AsSpan(0, length)))
            {
                return length;
            }
        }

        return 0;
    }
}
