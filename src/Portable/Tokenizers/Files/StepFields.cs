using System.Text.Json;
using Portable.Checkpoints;
using Portable.Tokenizers.Patterns;

namespace Portable.Tokenizers.Files;

/// <summary>The fields of one step of a tokenizer.json, and errors that name the step.</summary>
/// <param name="file">The file.</param>
/// <param name="kind">What it is a step of: "normalizer", "pre-tokenizer", ….</param>
/// <param name="element">The step.</param>
internal sealed class StepFields(string file, string kind, JsonElement element)
{
    /// <summary>Its type.</summary>
    public string Type => Text("type") ?? throw Error("has no type");

    /// <summary>An error that names the step.</summary>
    public CheckpointException Error(string message) => new(file, $"{kind} {(Text("type") is { } type ? $"'{type}' " : "")}{message}");

    /// <summary>The error for a step, or a value of it, that is not known.</summary>
    public CheckpointException Unknown(string? value = null) => value is null ? Error("is not supported") : new(file, $"{Type} with {value} is not supported");

    /// <summary>The error for a field that is missing or of another kind.</summary>
    public CheckpointException Malformed(string name) => Error($"has no proper {name}");

    /// <summary>The steps in a list.</summary>
    public IEnumerable<StepFields> Steps(string name) =>
        element.TryGetProperty(name, out JsonElement list) && list.ValueKind == JsonValueKind.Array ? list.EnumerateArray().Select(e => new StepFields(file, kind, e)) : throw Malformed(name);

    /// <summary>A text, or null.</summary>
    public string? Text(string name) =>
        element.ValueKind == JsonValueKind.Object && element.TryGetProperty(name, out JsonElement value) && value.ValueKind == JsonValueKind.String ? value.GetString() : null;

    /// <summary>A text that must be there.</summary>
    public string RequiredText(string name) => Text(name) ?? throw Malformed(name);

    /// <summary>A text of one character.</summary>
    public char Character(string name) => RequiredText(name) is [var c] ? c : throw Malformed(name);

    /// <summary>True or false; null where it is absent or null.</summary>
    public bool? Flag(string name) => element.TryGetProperty(name, out JsonElement value)
        ? value.ValueKind switch { JsonValueKind.True => true, JsonValueKind.False => false, JsonValueKind.Null => null, _ => throw Malformed(name) }
        : null;

    /// <summary>A number from 0.</summary>
    public int Count(string name) => element.TryGetProperty(name, out JsonElement value) && value.TryGetInt32(out int count) && count >= 0 ? count : throw Malformed(name);

    /// <summary>An object or array.</summary>
    public JsonElement Element(string name) => element.TryGetProperty(name, out JsonElement value) ? value : throw Malformed(name);

    /// <summary>A pattern, {"String": …} or {"Regex": …}, and the text that it matches literally, if so.</summary>
    public (Pattern Pattern, string? Literal) Pattern(string name = "pattern")
    {
        JsonElement pattern = Element(name);
        if (pattern.ValueKind == JsonValueKind.Object && pattern.TryGetProperty("String", out JsonElement literal) && literal.GetString() is { Length: > 0 } text)
        {
            return (Patterns.Pattern.Literal(text), text);
        }

        if (pattern.ValueKind != JsonValueKind.Object || !pattern.TryGetProperty("Regex", out JsonElement regex) || regex.GetString() is not { } expression)
        {
            throw Malformed(name);
        }

        try
        {
            return (new Pattern(expression), null);
        }
        catch (FormatException e)
        {
            throw Error($"{expression}: {e.Message}");
        }
    }
}
