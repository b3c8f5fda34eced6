using System.Text.Json;
using System.Text.Json.Nodes;

namespace Portable.Generation.Constraints;

/// <summary>The one schema that several which must all hold come to (<c>allOf</c>): properties of all, the narrower of two bounds. What has no such schema is refused by name.</summary>
/// <param name="root">The document, where references point.</param>
internal sealed class SchemaMerge(JsonElement root)
{
    private const int MostDepth = 32;

    /// <summary>Merges a schema and its <c>allOf</c>.</summary>
    /// <exception cref="ConstraintException">They cannot be merged.</exception>
    public JsonElement Of(JsonElement schema, string place)
    {
        JsonObject merged = [];
        Add(merged, schema, place, 0);
        using JsonDocument document = JsonDocument.Parse(merged.ToJsonString());
        return document.RootElement.Clone();
    }

    private void Add(JsonObject merged, JsonElement schema, string place, int depth)
    {
        if (schema.ValueKind == JsonValueKind.True)
        {
            return;
        }

        if (schema.ValueKind != JsonValueKind.Object || depth > MostDepth)
        {
            throw new ConstraintException($"{place}/allOf: {(depth > MostDepth ? "refers to itself" : "must be an array of schemas")}.");
        }

        if (schema.TryGetProperty("$ref", out JsonElement reference))
        {
            Add(merged, JsonShape.Find(root, reference, place), place, depth + 1);
        }

        if (schema.TryGetProperty("allOf", out JsonElement parts))
        {
            if (parts.ValueKind != JsonValueKind.Array || parts.GetArrayLength() == 0)
            {
                throw new ConstraintException($"{place}/allOf: must be an array of schemas.");
            }

            foreach (JsonElement part in parts.EnumerateArray())
            {
                Add(merged, part, place, depth + 1);
            }
        }

        // Objects have no properties but those declared: one that allows no others must declare all.
        bool closed = merged["additionalProperties"] is JsonValue before && before.GetValueKind() == JsonValueKind.False, closes = schema.TryGetProperty("additionalProperties", out JsonElement others) && others.ValueKind == JsonValueKind.False;
        if ((closed && Declares(schema, merged["properties"] as JsonObject)) || (closes && merged["properties"] is JsonObject known && known.Any(p => !Has(schema, p.Key))))
        {
            throw new ConstraintException($"{place}/allOf: additionalProperties is false beside other properties.");
        }

        foreach (JsonProperty property in schema.EnumerateObject())
        {
            if (property.Name is not ("$ref" or "allOf") && !JsonShape.IsNote(property.Name))
            {
                JsonNode value = JsonNode.Parse(property.Value.GetRawText())!;
                merged[property.Name] = merged[property.Name] is { } old ? Both(property.Name, old, value, place) : value;
            }
        }
    }

    private static JsonNode Both(string word, JsonNode a, JsonNode b, string place)
    {
        switch (word)
        {
            case "properties" when a is JsonObject first && b is JsonObject second:
                JsonObject all = (JsonObject)first.DeepClone();
                foreach ((string name, JsonNode? schema) in second)
                {
                    all[name] = all[name] is { } old ? new JsonObject { ["allOf"] = new JsonArray(old.DeepClone(), schema?.DeepClone()) } : schema?.DeepClone();
                }

                return all;
            case "required" when a is JsonArray first && b is JsonArray second:
                return new JsonArray([.. first.Concat(second).Select(n => n?.DeepClone()).DistinctBy(n => n?.ToJsonString())]);
            case "items":
                return new JsonObject { ["allOf"] = new JsonArray(a.DeepClone(), b.DeepClone()) };
            case "enum" when a is JsonArray first && b is JsonArray second:
                JsonNode?[] common = [.. first.Where(n => second.Any(m => JsonNode.DeepEquals(n, m))).Select(n => n?.DeepClone())];
                return common.Length > 0 ? new JsonArray(common) : throw new ConstraintException($"{place}/allOf: no value is in all enums.");
            case "minimum" or "exclusiveMinimum" or "minLength" or "minItems" when IsNumber(a) && IsNumber(b):
                return (a.GetValue<decimal>() > b.GetValue<decimal>() ? a : b).DeepClone();
            case "maximum" or "exclusiveMaximum" or "maxLength" or "maxItems" when IsNumber(a) && IsNumber(b):
                return (a.GetValue<decimal>() < b.GetValue<decimal>() ? a : b).DeepClone();
            case "type" when a.ToJsonString() is "\"integer\"" or "\"number\"" && b.ToJsonString() is "\"integer\"" or "\"number\"":
                return "integer" == (string?)a || "integer" == (string?)b ? "integer" : "number";
            case "additionalProperties" when a.GetValueKind() is JsonValueKind.True or JsonValueKind.False && b.GetValueKind() is JsonValueKind.True or JsonValueKind.False:
                return a.GetValueKind() == JsonValueKind.True && b.GetValueKind() == JsonValueKind.True;
            default:
                return JsonNode.DeepEquals(a, b) ? a.DeepClone() : throw new ConstraintException($"{place}/allOf: '{word}' cannot be merged.");
        }
    }

    private static bool IsNumber(JsonNode node) => node is JsonValue value && value.TryGetValue(out decimal _);

    private static bool Has(JsonElement schema, string property) => schema.TryGetProperty("properties", out JsonElement own) && own.ValueKind == JsonValueKind.Object && own.TryGetProperty(property, out _);

    private static bool Declares(JsonElement schema, JsonObject? known) =>
        schema.TryGetProperty("properties", out JsonElement own) && own.ValueKind == JsonValueKind.Object && own.EnumerateObject().Any(p => known?.ContainsKey(p.Name) != true);
}
