using System.Text;
using System.Text.Json;

namespace Portable.Chat.Tools;

/// <summary>
/// Separates calls of functions from the text of an answer as it comes. Text that could be the start of a call is held back until
/// it is known; what turns out to be no call is text. A call that the end of the answer cuts off is neither.
/// </summary>
/// <param name="format">How calls are written.</param>
internal sealed class ToolCallReader(ToolCallFormat format)
{
    private const string Open = "<tool_call>", Close = "</tool_call>", Python = "<|python_tag|>";

    // So much of a tag is hardly anything else.
    private const int Telling = 4;
    private static readonly string[] Names = ["name", "arguments", "parameters", "type"];
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
    /// <param name="cut">Whether it was to go on (the limit of tokens): a call that has begun is no text then.</param>
    public (string Text, IReadOnlyList<ToolCall> Calls) Finish(bool cut = false)
    {
        if (_text)
        {
            return (string.Empty, []);
        }

        if (format == ToolCallFormat.Tagged)
        {
            return Tagged(ended: true, cut);
        }

        string all = _held.ToString();
        string body = all.TrimStart();
        if (cut && body.Length >= Telling && body.Length < Python.Length && Python.StartsWith(body, StringComparison.Ordinal))
        {
            return (string.Empty, []);
        }

        bool marked = body.StartsWith(Python, StringComparison.Ordinal);
        byte[] json = Encoding.UTF8.GetBytes((marked ? body[Python.Length..] : body).Trim());
        if (cut && marked && json.Length == 0)
        {
            return (string.Empty, []);
        }

        List<ToolCall> calls = [];
        // Several calls are parted by semicolons or line ends.
        for (int at = 0; at < json.Length;)
        {
            if (Call(json.AsSpan(at), "parameters", out int length) is not { } call)
            {
                return cut && Begins(json.AsSpan(at)) ? (string.Empty, calls) : (all, []);
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

    private (string, IReadOnlyList<ToolCall>) Tagged(bool ended, bool cut = false)
    {
        StringBuilder text = new();
        List<ToolCall> calls = [];
        while (true)
        {
            string held = _held.ToString();
            int open = held.IndexOf(Open, StringComparison.Ordinal);
            if (open < 0)
            {
                int begun = Overlap(held, Open);
                bool lost = cut && begun >= Telling;
                string known = ended && !lost ? held : held[..(held.Length - begun)];
                // Line ends around calls are the template's; elsewhere they are text.
                string shown = ended && !lost && !_calls ? known : known.TrimEnd();
                text.Append(shown);
                _held.Clear().Append(held.AsSpan(ended ? held.Length : shown.Length));
                return (text.ToString(), calls);
            }

            int close = held.IndexOf(Close, open, StringComparison.Ordinal);
            if (close < 0 && !ended)
            {
                string before = held[..open].TrimEnd();
                text.Append(before);
                _held.Remove(0, before.Length);
                return (text.ToString(), calls);
            }

            int stop = close < 0 ? held.Length - Overlap(held[(open + Open.Length)..], Close) : close;
            byte[] body = Encoding.UTF8.GetBytes(held[(open + Open.Length)..stop].Trim());
            if (Call(body, "arguments", out int length) is { } call && length == body.Length)
            {
                text.Append(held[..open].TrimEnd());
                calls.Add(call);
                _calls = true;
            }
            else if (close < 0 && cut && (body.Length == 0 || Begins(body)))
            {
                text.Append(held[..open].TrimEnd());
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

    // Whether what is there may still become a call: the names in the object, as far as it goes, are those of calls.
    private static bool Begins(ReadOnlySpan<byte> json)
    {
        Utf8JsonReader reader = new(json, isFinalBlock: false, default);
        try
        {
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartObject)
            {
                return false;
            }

            while (reader.Read())
            {
                string? name = reader.TokenType == JsonTokenType.PropertyName ? reader.GetString() : null;
                if (name is null || !Names.Contains(name))
                {
                    return false; // The object is whole, and no call; or another's.
                }

                if (!reader.TrySkip())
                {
                    return true;
                }

                if (name == "name" && reader.TokenType != JsonTokenType.String)
                {
                    return false;
                }
            }

            string rest = Encoding.UTF8.GetString(json[(int)reader.BytesConsumed..]).TrimStart(' ', '\t', '\r', '\n', ',');
            return rest.Length == 0 || (rest[0] == '"' && Names.Any(n => n.StartsWith(rest[1..].TrimEnd('"'), StringComparison.Ordinal)));
        }
        catch (Exception e) when (e is JsonException or InvalidOperationException)
        {
            return false;
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
