using System.Globalization;
using System.Text;
using System.Text.Json;

namespace Portable.Cli.CommandLine;

/// <summary>JSON files of texts and of token ids that verbs take.</summary>
internal static class JsonLists
{
    /// <summary>An array of texts. An unpaired surrogate, which JSON can spell, stays one.</summary>
    /// <exception cref="IOException">The file is missing or something else.</exception>
    public static List<string> Texts(string path)
    {
        List<string> texts = [];
        Read(path, "an array of texts", (ref Utf8JsonReader reader) => texts.Add(reader.TokenType == JsonTokenType.String ? Text(ref reader) : throw new JsonException()));
        return texts;
    }

    /// <summary>An array of arrays of token ids.</summary>
    /// <exception cref="IOException">The file is missing or something else.</exception>
    public static List<int[]> Ids(string path)
    {
        List<int[]> lists = [];
        Read(path, "an array of arrays of token ids", (ref Utf8JsonReader reader) => lists.Add(JsonElement.ParseValue(ref reader).EnumerateArray().Select(e => e.GetInt32()).ToArray()));
        return lists;
    }

    private delegate void Item(ref Utf8JsonReader reader);

    private static void Read(string path, string expected, Item item)
    {
        if (!File.Exists(path))
        {
            throw new FileNotFoundException($"{path}: no such file");
        }

        try
        {
            Utf8JsonReader reader = new(File.ReadAllBytes(path));
            if (!reader.Read() || reader.TokenType != JsonTokenType.StartArray)
            {
                throw new JsonException();
            }

            while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
            {
                item(ref reader);
            }

            if (reader.Read())
            {
                throw new JsonException();
            }
        }
        catch (Exception e) when (e is JsonException or FormatException or InvalidOperationException)
        {
            throw new IOException($"{path}: not {expected}", e);
        }
    }

    private static string Text(ref Utf8JsonReader reader)
    {
        if (!reader.ValueIsEscaped)
        {
            return reader.GetString()!;
        }

        // The reader's own unescaping refuses unpaired surrogates; that the escapes are well formed it has checked.
        ReadOnlySpan<char> escaped = Encoding.UTF8.GetString(reader.ValueSpan);
        StringBuilder text = new(escaped.Length);
        while (escaped.IndexOf('\\') is >= 0 and int at)
        {
            text.Append(escaped[..at]);
            char kind = escaped[at + 1];
            bool unicode = kind == 'u';
            text.Append(unicode
                ? (char)ushort.Parse(escaped.Slice(at + 2, 4), NumberStyles.AllowHexSpecifier, CultureInfo.InvariantCulture)
                : kind switch { 'n' => '\n', 't' => '\t', 'r' => '\r', 'b' => '\b', 'f' => '\f', _ => kind });
            escaped = escaped[(at + (unicode ? 6 : 2))..];
        }

        return text.Append(escaped).ToString();
    }
}
