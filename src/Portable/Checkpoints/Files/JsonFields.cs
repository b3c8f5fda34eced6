using System.Text.Json;

namespace Portable.Checkpoints.Files;

/// <summary>Typed fields of a JSON object; every error names the file and the field. A JSON null counts as absent.</summary>
internal readonly struct JsonFields(string path, JsonElement element, string prefix = "")
{
    public string Path => path;

    public JsonElement Element => element;

    public bool Has(string name) => element.TryGetProperty(name, out JsonElement value) && value.ValueKind != JsonValueKind.Null;

    /// <summary>Whether the field is there and null, which in some fields means another thing than its absence.</summary>
    public bool IsNull(string name) => element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.Null;

    public CheckpointException Error(string name, string problem) => new(path, $"field '{prefix}{name}': {problem}");

    public JsonElement Required(string name) => Has(name) ? element.GetProperty(name) : throw Error(name, "missing");

    /// <summary>An integer within a range.</summary>
    public int Integer(string name, int minimum, int maximum)
    {
        JsonElement value = Required(name);
        return value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int number) && number >= minimum && number <= maximum
            ? number
            : throw Error(name, $"{Shorten(value)} is not an integer from {minimum} to {maximum}");
    }

    public int Integer(string name, int minimum, int maximum, int absent) => Has(name) ? Integer(name, minimum, maximum) : absent;

    /// <summary>A finite number within a range.</summary>
    public double Number(string name, double minimum, double maximum)
    {
        JsonElement value = Required(name);
        return value.ValueKind == JsonValueKind.Number && value.TryGetDouble(out double number) && number >= minimum && number <= maximum
            ? number
            : throw Error(name, FormattableString.Invariant($"{Shorten(value)} is not a number from {minimum} to {maximum}"));
    }

    public double Number(string name, double minimum, double maximum, double absent) => Has(name) ? Number(name, minimum, maximum) : absent;

    public bool Flag(string name, bool absent)
    {
        if (!Has(name))
        {
            return absent;
        }

        JsonElement value = element.GetProperty(name);
        return value.ValueKind is JsonValueKind.True or JsonValueKind.False ? value.GetBoolean() : throw Error(name, $"{Shorten(value)} is neither true nor false");
    }

    public string Text(string name)
    {
        JsonElement value = Required(name);
        return value.ValueKind == JsonValueKind.String ? value.GetString()! : throw Error(name, $"{Shorten(value)} is not a string");
    }

    public string Text(string name, string absent) => Has(name) ? Text(name) : absent;

    /// <summary>An object.</summary>
    public JsonFields Object(string name)
    {
        JsonElement value = Required(name);
        return value.ValueKind == JsonValueKind.Object ? new JsonFields(path, value, $"{prefix}{name}.") : throw Error(name, $"{Shorten(value)} is not an object");
    }

    /// <summary>The elements of an array.</summary>
    public List<JsonElement> Array(string name)
    {
        JsonElement value = Required(name);
        return value.ValueKind == JsonValueKind.Array ? [.. value.EnumerateArray()] : throw Error(name, $"{Shorten(value)} is not an array");
    }

    /// <summary>A value as an error line shows it.</summary>
    public static string Shorten(JsonElement value)
    {
        string text = value.GetRawText();
        return text.Length <= 60 ? text : text[..60] + "…";
    }
}
