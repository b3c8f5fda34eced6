using System.Globalization;
using System.Text.Json;

namespace Portable.Server.Http;

/// <summary>Typed fields of a JSON object; what has another type or is out of range is refused by name. null is as good as absent.</summary>
/// <param name="element">The object.</param>
/// <param name="path">Its place in the request, with a point at the end; empty for the request itself.</param>
internal readonly struct Fields(JsonElement element, string path = "")
{
    /// <summary>The object at a place.</summary>
    /// <exception cref="ApiException">It is none.</exception>
    public static Fields Of(JsonElement element, string place) =>
        element.ValueKind == JsonValueKind.Object ? new Fields(element, place + ".") : throw Wrong(place, "an object", element);

    public JsonElement? Any(string name) =>
        element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null ? value : null;

    public string? Text(string name) =>
        Any(name) is not { } value ? null : value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Wrong(path + name, "a string", value);

    public bool? Flag(string name) =>
        Any(name) is not { } value ? null : value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Wrong(path + name, "true or false", value);

    public double? Number(string name, double least, double most) =>
        Any(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= least && number <= most ? number
        : throw Wrong(path + name, string.Create(CultureInfo.InvariantCulture, $"a number from {least} to {most}"), value);

    public long? Integer(string name, long least, long most) =>
        Any(name) is not { } value ? null
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt64(out long number) && number >= least && number <= most ? number
        : throw Wrong(path + name, string.Create(CultureInfo.InvariantCulture, $"a whole number from {least} to {most}"), value);

    public JsonElement[]? Array(string name, string wanted = "an array") =>
        Any(name) is not { } value ? null : value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : throw Wrong(path + name, wanted, value);

    public Fields? Object(string name) => Any(name) is { } value ? Of(value, path + name) : null;

    /// <summary>A text or an array of texts.</summary>
    public string[]? Texts(string name)
    {
        const string Wanted = "a string or an array of strings";
        string place = path + name;
        return Any(name) is not { } value ? null
            : value.ValueKind == JsonValueKind.String ? [value.GetString()!]
            : Array(name, Wanted)!.Select(t => t.ValueKind == JsonValueKind.String ? t.GetString()! : throw Wrong(place, Wanted, t)).ToArray();
    }

    /// <summary>Names of the fields.</summary>
    public IEnumerable<JsonProperty> All => element.EnumerateObject();

    /// <summary>Refuses fields that would change the text and are not implemented, unless they say what holds without them.</summary>
    public void Refuse(params ReadOnlySpan<string> names)
    {
        foreach (string name in names)
        {
            if (Any(name) is { } value && !Neutral(value))
            {
                throw new ApiException(400, $"'{path}{name}' would change the text and is not supported.", path + name, "unsupported_parameter");
            }
        }
    }

    /// <summary>The error for a value of the wrong kind.</summary>
    public static ApiException Wrong(string place, string wanted, JsonElement value)
    {
        string raw = value.GetRawText();
        return new ApiException(400, $"'{place}' must be {wanted}, not {(raw.Length <= 60 ? raw : raw[..60] + "…")}.", place, "invalid_value");
    }

    private static bool Neutral(JsonElement value) => value.ValueKind switch
    {
        JsonValueKind.False => true,
        JsonValueKind.Array => value.GetArrayLength() == 0,
        JsonValueKind.Object => !value.EnumerateObject().Any(),
        _ => false,
    };
}
