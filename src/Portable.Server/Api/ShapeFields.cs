using System.Text.Json;
using Portable.Chat.Tools;
using Portable.Generation.Constraints;
using Portable.Server.Http;

namespace Portable.Server.Api;

/// <summary>The fields that ask for an answer of a given shape: response_format, tool_choice, guided_regex.</summary>
internal static class ShapeFields
{
    /// <summary>The shape, or null for any text.</summary>
    /// <param name="fields">The request.</param>
    /// <param name="tools">The tools that it offers.</param>
    /// <param name="model">The model.</param>
    /// <exception cref="ApiException">It is malformed, too large or not supported, or two are asked for.</exception>
    public static ByteProgram? Read(Fields fields, JsonElement? tools, LanguageModel model)
    {
        (string Field, Func<ByteProgram> Shape)?[] asked = [Format(fields), Pattern(fields), Call(fields, tools, model)];
        (string Field, Func<ByteProgram> Shape)[] shapes = [.. asked.OfType<(string, Func<ByteProgram>)>()];
        if (shapes.Length > 1)
        {
            throw new ApiException(400, $"'{shapes[0].Field}' and '{shapes[1].Field}' ask for two shapes.", shapes[1].Field, "invalid_value");
        }

        try
        {
            return shapes.Length == 0 ? null : shapes[0].Shape();
        }
        catch (ConstraintException e)
        {
            throw new ApiException(400, $"'{shapes[0].Field}': {e.Message}", shapes[0].Field, "unsupported_shape");
        }
    }

    private static (string, Func<ByteProgram>)? Format(Fields fields)
    {
        if (fields.Object("response_format") is not { } format)
        {
            return null;
        }

        switch (format.Text("type"))
        {
            case "text":
                return null;
            case "json_object":
                return ("response_format", JsonShape.AnyObject);
            case "json_schema":
                JsonElement schema = format.Object("json_schema")?.Any("schema")
                    ?? throw new ApiException(400, "'response_format.json_schema.schema' is needed.", "response_format.json_schema.schema", "missing_required_parameter");
                return ("response_format", () => JsonShape.Of(schema));
            default:
                throw new ApiException(400, "'response_format.type' must be text, json_object or json_schema.", "response_format.type", "invalid_value");
        }
    }

    private static (string, Func<ByteProgram>)? Pattern(Fields fields) =>
        fields.Text("guided_regex") is { } pattern ? ("guided_regex", () => JsonShape.OfPattern(pattern)) : null;

    private static (string, Func<ByteProgram>)? Call(Fields fields, JsonElement? tools, LanguageModel model)
    {
        if (fields.Any("tool_choice") is not { } choice || (choice.ValueKind == JsonValueKind.String && choice.GetString() is "none" or "auto"))
        {
            return null;
        }

        string? name = choice.ValueKind == JsonValueKind.Object
            ? Fields.Of(choice, "tool_choice").Object("function")?.Text("name") ?? throw new ApiException(400, "'tool_choice.function.name' is needed.", "tool_choice.function.name", "missing_required_parameter")
            : choice.ValueKind == JsonValueKind.String && choice.GetString() == "required" ? null
            : throw new ApiException(400, "'tool_choice' must be none, auto, required, or name a function.", "tool_choice", "invalid_value");
        (string Name, JsonElement Parameters)[] functions = [.. (tools?.EnumerateArray() ?? default).Select(t => t.GetProperty("function")).Select(f => (f.GetProperty("name").GetString()!, Parameters(f))).Where(f => name is null || f.Item1 == name)];
        return functions.Length > 0 ? ("tool_choice", () => model.CallShape(functions))
            : throw new ApiException(400, "'tool_choice' asks for a call of a function that 'tools' does not offer.", "tool_choice", "invalid_value");
    }

    private static JsonElement Parameters(JsonElement function)
    {
        if (function.TryGetProperty("parameters", out JsonElement parameters) && parameters.ValueKind == JsonValueKind.Object && parameters.EnumerateObject().Any())
        {
            return parameters;
        }

        using JsonDocument none = JsonDocument.Parse("""{"type":"object","additionalProperties":false}""");
        return none.RootElement.Clone();
    }
}
