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
        JsonElement? Schema(Fields format) => format.Object("json_schema")?.Any("schema");
        return Of(fields.Object("response_format") is { } format ? Format(format, "response_format", "response_format.json_schema.schema", Schema) : null, Pattern(fields), Call(fields, tools, model, choice => choice.Object("function")));
    }

    /// <summary>The shape that a request of /v1/responses asks for: text.format, tool_choice, guided_regex.</summary>
    /// <inheritdoc cref="Read"/>
    public static ByteProgram? ReadResponse(Fields fields, JsonElement? tools, LanguageModel model) =>
        Of(fields.Object("text")?.Object("format") is { } format ? Format(format, "text.format", "text.format.schema", f => f.Any("schema")) : null, Pattern(fields), Call(fields, tools, model, choice => choice));

    private static ByteProgram? Of(params (string Field, Func<ByteProgram> Shape)?[] asked)
    {
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

    private static (string, Func<ByteProgram>)? Format(Fields format, string place, string schemaPlace, Func<Fields, JsonElement?> schemaOf)
    {
        switch (format.Text("type"))
        {
            case "text":
                return null;
            case "json_object":
                return (place, JsonShape.AnyObject);
            case "json_schema":
                JsonElement schema = schemaOf(format) ?? throw new ApiException(400, $"'{schemaPlace}' is needed.", schemaPlace, "missing_required_parameter");
                return (place, () => JsonShape.Of(schema));
            default:
                throw new ApiException(400, $"'{place}.type' must be text, json_object or json_schema.", $"{place}.type", "invalid_value");
        }
    }

    private static (string, Func<ByteProgram>)? Pattern(Fields fields) =>
        fields.Text("guided_regex") is { } pattern ? ("guided_regex", () => JsonShape.OfPattern(pattern)) : null;

    private static (string, Func<ByteProgram>)? Call(Fields fields, JsonElement? tools, LanguageModel model, Func<Fields, Fields?> functionOf)
    {
        if (tools is null && fields.Any("tool_choice") is null)
        {
            return null;
        }

        JsonElement[] offered = [.. (tools?.EnumerateArray() ?? default).Select(t => t.GetProperty("function"))];
        if (fields.Any("tool_choice") is not { } choice || (choice.ValueKind == JsonValueKind.String && choice.GetString() is "none" or "auto"))
        {
            bool several = fields.Flag("parallel_tool_calls") ?? true, strict = offered.Any(IsStrict);
            return offered.Length > 0 && (strict || !several)
                ? (strict ? "tools" : "parallel_tool_calls", () => model.CallShape(offered.Select(f => (f.GetProperty("name").GetString()!, IsStrict(f) ? Parameters(f) : Anything())), required: false, several))
                : null;
        }

        string? name = choice.ValueKind == JsonValueKind.Object
            ? functionOf(Fields.Of(choice, "tool_choice"))?.Text("name") ?? throw new ApiException(400, "'tool_choice' must name a function.", "tool_choice", "missing_required_parameter")
            : choice.ValueKind == JsonValueKind.String && choice.GetString() == "required" ? null
            : throw new ApiException(400, "'tool_choice' must be none, auto, required, or name a function.", "tool_choice", "invalid_value");
        (string Name, JsonElement Parameters)[] functions = [.. offered.Select(f => (f.GetProperty("name").GetString()!, Parameters(f))).Where(f => name is null || f.Item1 == name)];
        return functions.Length > 0 ? ("tool_choice", () => model.CallShape(functions, required: true, several: false))
            : throw new ApiException(400, "'tool_choice' asks for a call of a function that 'tools' does not offer.", "tool_choice", "invalid_value");
    }

    private static bool IsStrict(JsonElement function) => function.TryGetProperty("strict", out JsonElement strict) && strict.ValueKind == JsonValueKind.True;

    private static JsonElement Anything()
    {
        using JsonDocument any = JsonDocument.Parse("""{"type":"object"}""");
        return any.RootElement.Clone();
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
