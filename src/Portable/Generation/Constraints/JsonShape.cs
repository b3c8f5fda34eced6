using System.Text.Json;
using Portable.Tokenizers.Unicode;

namespace Portable.Generation.Constraints;

/// <summary>
/// JSON schemas as programs over bytes. Objects have the declared properties in their order and no others; a space may follow a colon
/// or comma. A keyword that would restrict values and is not known is refused by name; nothing outside the schema is fetched.
/// </summary>
internal sealed class JsonShape
{
    private const int MostItems = 1000, MostCharacters = 4000, MostProperties = 500, MostMerges = 500, MostMergeDepth = 16;
    private static readonly HashSet<string> Notes = ["title", "description", "default", "examples", "example", "$schema", "$id", "$comment", "$defs", "definitions", "deprecated", "readOnly", "writeOnly", "strict"];
    private static readonly CodePointSet Plain = CodePointSet.Ranges(0x20, 0x21, 0x23, 0x5B, 0x5D, 0xD7FF, 0xE000, 0x10FFFF);

    private readonly ByteProgram _program = new();
    private readonly Dictionary<string, int> _references = [];
    private readonly JsonElement _root;
    private int _anything = -1, _text = -1, _merges, _mergeDepth;

    private JsonShape(JsonElement root) => _root = root;

    /// <summary>The texts that are one JSON value of a schema.</summary>
    /// <exception cref="ConstraintException">The schema is malformed, too large, or asks for what is not supported.</exception>
    public static ByteProgram Of(JsonElement schema) => Of(schema, string.Empty, string.Empty);

    /// <summary>The same between two fixed texts.</summary>
    public static ByteProgram Of(JsonElement schema, string before, string behind)
    {
        JsonShape shape = new(schema);
        ByteProgram program = shape._program;
        program.Start = program.Text(before, shape.Value(schema, "#", program.Text(behind, program.Accept)));
        return program;
    }

    /// <summary>Calls: each a value of its schema between fixed texts.</summary>
    /// <param name="calls">The calls that may come.</param>
    /// <param name="required">Whether one must come, and nothing besides.</param>
    /// <param name="several">Whether more may follow one, where none is required.</param>
    /// <param name="tag">What a call in the middle of a text begins with; empty where a call is the whole text, and a text does not begin as calls do.</param>
    public static ByteProgram OfCalls(IReadOnlyList<(string Before, JsonElement Schema, string Behind)> calls, bool required, bool several, string tag)
    {
        ByteProgram program = new();
        int end = required || tag.Length == 0 ? program.Accept : program.Later();
        int call = program.Any(calls.Select(c => program.Text(c.Before[(required ? 0 : tag.Length)..], new JsonShape(c.Schema, program).Value(c.Schema, "#", program.Text(c.Behind, end)))).ToArray());
        if (required)
        {
            program.Start = call;
        }
        else if (tag.Length > 0)
        {
            program.Start = program.Until(tag, call);
            program.Set(end, several ? program.Start : program.Accept);
        }
        else
        {
            byte first = (byte)calls[0].Before[0];
            int text = program.Repeat(next => program.Range(0, 255, next), 0, -1, program.Accept);
            program.Start = program.Any([call, program.Range(0, (byte)(first - 1), text), program.Range((byte)(first + 1), 255, text), program.Accept]);
        }

        return program;
    }

    /// <summary>Any JSON object.</summary>
    public static ByteProgram AnyObject()
    {
        JsonShape shape = new(default);
        shape._program.Start = shape.Object(shape._program.Accept);
        return shape._program;
    }

    /// <summary>The texts that a regular expression matches whole.</summary>
    public static ByteProgram OfPattern(string pattern)
    {
        ByteProgram program = new();
        program.Start = program.Pattern(ByteProgram.ParsePattern(pattern), program.Accept, program.CodePoint);
        return program;
    }

    private JsonShape(JsonElement root, ByteProgram program)
        : this(root) => _program = program;

    private int Value(JsonElement schema, string place, int next)
    {
        if (schema.ValueKind == JsonValueKind.True)
        {
            return Anything(next);
        }

        if (schema.ValueKind != JsonValueKind.Object)
        {
            throw new ConstraintException($"{place}: a schema is an object.");
        }

        if (schema.TryGetProperty("$ref", out JsonElement reference))
        {
            Known(schema, place, "$ref");
            return _program.Call(Reference(reference, place), next);
        }

        if (schema.TryGetProperty("allOf", out _))
        {
            // Schemas that refer to themselves could be merged for ever.
            if (++_mergeDepth > MostMergeDepth || ++_merges > MostMerges)
            {
                throw new ConstraintException($"{place}/allOf: nests too deep, or there are too many.");
            }

            int start = Value(new SchemaMerge(_root).Of(schema, place), place, next);
            _mergeDepth--;
            return start;
        }

        if (schema.TryGetProperty("const", out JsonElement constant))
        {
            Known(schema, place, "const", "type");
            return _program.Text(Compact(constant), next);
        }

        if (schema.TryGetProperty("enum", out JsonElement values))
        {
            Known(schema, place, "enum", "type");
            return values.ValueKind == JsonValueKind.Array && values.GetArrayLength() is > 0 and <= MostItems
                ? _program.Any(values.EnumerateArray().Select(v => _program.Text(Compact(v), next)).ToArray())
                : throw new ConstraintException($"{place}/enum: must be an array of 1 to {MostItems} values.");
        }

        foreach (string word in (string[])["anyOf", "oneOf"])
        {
            if (schema.TryGetProperty(word, out JsonElement choices))
            {
                Known(schema, place, word);
                return choices.ValueKind == JsonValueKind.Array && choices.GetArrayLength() is > 0 and <= MostItems
                    ? _program.Any(choices.EnumerateArray().Select((c, i) => Value(c, $"{place}/{word}/{i}", next)).ToArray())
                    : throw new ConstraintException($"{place}/{word}: must be an array of 1 to {MostItems} schemas.");
            }
        }

        if (!schema.TryGetProperty("type", out JsonElement type))
        {
            // What the other words say of a kind of value tells which it is.
            string? implied = schema.TryGetProperty("properties", out _) ? "object" : schema.TryGetProperty("items", out _) || schema.TryGetProperty("prefixItems", out _) ? "array" : schema.TryGetProperty("pattern", out _) ? "string" : null;
            if (implied is not null)
            {
                return Typed(implied, schema, place, next);
            }

            Known(schema, place);
            return Anything(next);
        }

        return type.ValueKind switch
        {
            JsonValueKind.String => Typed(type.GetString()!, schema, place, next),
            JsonValueKind.Array when type.GetArrayLength() > 0 && type.EnumerateArray().All(t => t.ValueKind == JsonValueKind.String) =>
                _program.Any(type.EnumerateArray().Select(t => Typed(t.GetString()!, schema, place, next, several: true)).ToArray()),
            _ => throw new ConstraintException($"{place}/type: must be a string or an array of strings."),
        };
    }

    private int Typed(string type, JsonElement schema, string place, int next, bool several = false)
    {
        void Allow(params ReadOnlySpan<string> words)
        {
            if (several)
            {
                Known(
                    schema, place, "type", "properties", "required", "additionalProperties", "items", "prefixItems", "minItems", "maxItems", "minLength", "maxLength", "pattern", "format",
                    "minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum");
            }
            else
            {
                Known(schema, place, ["type", .. words]);
            }
        }

        switch (type)
        {
            case "null": Allow(); return _program.Text("null", next);
            case "boolean": Allow(); return _program.Either(_program.Text("true", next), _program.Text("false", next));
            case "integer" or "number": Allow("minimum", "maximum", "exclusiveMinimum", "exclusiveMaximum"); return Number(schema, place, type == "integer", next);
            case "string": Allow("minLength", "maxLength", "pattern", "format"); return String(schema, place, next);
            case "array": Allow("items", "prefixItems", "minItems", "maxItems"); return Array(schema, place, next);
            case "object": Allow("properties", "required", "additionalProperties"); return Object(schema, place, next);
            default: throw new ConstraintException($"{place}/type: '{type}' is no type of JSON.");
        }
    }

    private int Object(JsonElement schema, string place, int next)
    {
        if (!schema.TryGetProperty("properties", out JsonElement declared))
        {
            return schema.TryGetProperty("required", out JsonElement named) && named.ValueKind == JsonValueKind.Array && named.GetArrayLength() > 0
                ? throw new ConstraintException($"{place}/required: names properties that are not declared.")
                : schema.TryGetProperty("additionalProperties", out JsonElement others) && others.ValueKind == JsonValueKind.False ? _program.Text("{}", next)
                : schema.TryGetProperty("additionalProperties", out others) && others.ValueKind == JsonValueKind.Object ? Map(others, place, next)
                : Object(next);
        }

        if (declared.ValueKind != JsonValueKind.Object || declared.EnumerateObject().Count() > MostProperties)
        {
            throw new ConstraintException($"{place}/properties: must be an object of at most {MostProperties}.");
        }

        HashSet<string> required = schema.TryGetProperty("required", out JsonElement list) && list.ValueKind == JsonValueKind.Array
            ? [.. list.EnumerateArray().Select(r => r.ValueKind == JsonValueKind.String ? r.GetString()! : throw new ConstraintException($"{place}/required: must be strings."))] : [];
        (string Name, int Rule)[] properties = [.. declared.EnumerateObject().Select(p => (p.Name, Rule(end => _program.Text(Quoted(p.Name) + ":", Space(Value(p.Value, $"{place}/properties/{p.Name}", end))))))];
        if (required.Except(properties.Select(p => p.Name)).FirstOrDefault() is { } missing)
        {
            throw new ConstraintException($"{place}/required: '{missing}' is not declared.");
        }

        // From the last property on: what follows where one has been written already, and where none has.
        int close = _program.Text("}", next), written = close, none = close;
        foreach ((string name, int rule) in properties.Reverse())
        {
            int further = _program.Text(",", Space(_program.Call(rule, written))), first = _program.Call(rule, written);
            (written, none) = required.Contains(name) ? (further, first) : (_program.Either(further, written), _program.Either(first, none));
        }

        return _program.Text("{", none);
    }

    private int Array(JsonElement schema, string place, int next)
    {
        int least = Count(schema, place, "minItems", 0, MostItems), most = Count(schema, place, "maxItems", -1, MostItems);
        if (most >= 0 && most < least)
        {
            throw new ConstraintException($"{place}: maxItems is below minItems.");
        }

        if (schema.TryGetProperty("prefixItems", out JsonElement first))
        {
            return Tuple(schema, first, place, least, most, next);
        }

        int item = schema.TryGetProperty("items", out JsonElement items) ? Rule(end => Value(items, $"{place}/items", end)) : Rule(Anything);
        int close = _program.Text("]", next);
        if (most == 0)
        {
            return _program.Text("[", close);
        }

        int further = _program.Repeat(end => _program.Text(",", Space(_program.Call(item, end))), Math.Max(least - 1, 0), most < 0 ? -1 : most - 1, close);
        int filled = _program.Call(item, further);
        return _program.Text("[", least == 0 ? _program.Either(filled, close) : filled);
    }

    // Each of the first items has a schema of its own.
    private int Tuple(JsonElement schema, JsonElement first, string place, int least, int most, int next)
    {
        if (first.ValueKind != JsonValueKind.Array || first.GetArrayLength() is 0 or > MostItems)
        {
            throw new ConstraintException($"{place}/prefixItems: must be an array of 1 to {MostItems} schemas.");
        }

        int count = first.GetArrayLength();
        bool closed = schema.TryGetProperty("items", out JsonElement rest) && rest.ValueKind == JsonValueKind.False;
        most = closed || (most >= 0 && most <= count) ? Math.Min(most < 0 ? count : most, count) : most;
        if (most >= 0 && most < least)
        {
            throw new ConstraintException($"{place}: minItems is more than there can be.");
        }

        int close = _program.Text("]", next), own = Math.Min(count, most < 0 ? count : most), behind = close;
        if (most != own)
        {
            int item = rest.ValueKind == JsonValueKind.Undefined ? Rule(Anything) : Rule(end => Value(rest, $"{place}/items", end));
            behind = _program.Repeat(end => _program.Text(",", Space(_program.Call(item, end))), Math.Max(least - own, 0), most < 0 ? -1 : most - own, close);
        }

        for (int i = own - 1; i >= 0; i--)
        {
            int item = Value(first[i], $"{place}/prefixItems/{i}", behind), start = i == 0 ? item : _program.Text(",", Space(item));
            behind = i >= least ? _program.Either(start, close) : start;
        }

        return _program.Text("[", behind);
    }

    private int String(JsonElement schema, string place, int next)
    {
        int least = Count(schema, place, "minLength", 0, MostCharacters), most = Count(schema, place, "maxLength", -1, MostCharacters);
        int end = _program.Text("\"", next);
        if (schema.TryGetProperty("format", out JsonElement format))
        {
            string expression = format.ValueKind == JsonValueKind.String && StringFormats.PatternOf(format.GetString()!) is { } known ? known
                : throw new ConstraintException($"{place}/format: {(format.ValueKind == JsonValueKind.String ? $"'{format.GetString()}' is not supported" : "must be a string")}; {string.Join(", ", StringFormats.Names)} are.");
            return least > 0 || most >= 0 || schema.TryGetProperty("pattern", out _)
                ? throw new ConstraintException($"{place}/format: must be without pattern, minLength and maxLength.")
                : _program.Text("\"", _program.Pattern(ByteProgram.ParsePattern(expression), end, Character));
        }

        if (schema.TryGetProperty("pattern", out JsonElement pattern))
        {
            if (pattern.ValueKind != JsonValueKind.String || least > 0 || most >= 0)
            {
                throw new ConstraintException($"{place}/pattern: must be a string, without minLength and maxLength.");
            }

            string text = pattern.GetString()!;
            // Schemas look for a match anywhere.
            if (!text.StartsWith('^') || !text.EndsWith('$'))
            {
                throw new ConstraintException($"{place}/pattern: must begin with ^ and end with $.");
            }

            return _program.Text("\"", _program.Pattern(ByteProgram.ParsePattern(text), end, Character));
        }

        if (least == 0 && most < 0)
        {
            return _program.Call(TextRule(), next);
        }

        return most >= 0 && most < least
            ? throw new ConstraintException($"{place}: maxLength is below minLength.")
            : _program.Text("\"", _program.Repeat(AnyCharacter, least, most, end));
    }

    // A character of a string as JSON spells it: as it is, or escaped where it must be.
    private int Character(CodePointSet set, int next)
    {
        List<int> starts = [];
        CodePointSet plain = set.Intersect(Plain);
        if (!plain.IsEmpty)
        {
            starts.Add(_program.CodePoint(plain, next));
        }

        foreach ((int code, string escape) in ((int, string)[])[('"', "\\\""), ('\\', "\\\\"), ('\n', "\\n"), ('\t', "\\t"), ('\r', "\\r"), ('\b', "\\b"), ('\f', "\\f")])
        {
            if (!set.Intersect(CodePointSet.Of(code)).IsEmpty)
            {
                starts.Add(_program.Text(escape, next));
            }
        }

        return starts.Count > 0 ? _program.Any(starts) : throw new ConstraintException("A pattern has a set without a character that a string can hold.");
    }

    private int AnyCharacter(int next) => _program.Either(_program.CodePoint(Plain, next), _program.Text("\\", _program.Either(
        _program.Any("\"\\/bfnrt".Select(c => _program.Range((byte)c, (byte)c, next)).ToArray()),
        // \uXXXX, halves of surrogate pairs left out.
        _program.Text("u", _program.Either(
            _program.Any(new[] { ('0', '9'), ('A', 'C'), ('E', 'F'), ('a', 'c'), ('e', 'f') }.Select(r => _program.Range((byte)r.Item1, (byte)r.Item2, Hex(Hex(Hex(next))))).ToArray()),
            _program.Either(_program.Range((byte)'D', (byte)'D', _program.Range((byte)'0', (byte)'7', Hex(Hex(next)))), _program.Range((byte)'d', (byte)'d', _program.Range((byte)'0', (byte)'7', Hex(Hex(next))))))))));

    private int Hex(int next) => _program.Any(new[] { ('0', '9'), ('A', 'F'), ('a', 'f') }.Select(r => _program.Range((byte)r.Item1, (byte)r.Item2, next)).ToArray());

    private int Number(JsonElement schema, string place, bool whole, int next)
    {
        (decimal? least, bool above, decimal? most, bool below) = NumberShape.Bounds(schema, place);
        NumberShape bounded = new(_program);
        return least is null && most is null ? whole ? Integer(next) : Number(next)
            : whole ? bounded.Integer(least, above, most, below, place, next) : bounded.Number(least, above, most, below, place, next);
    }

    // At most 18 digits: a model that counts on for ever is no number.
    private int Integer(int next)
    {
        int digits = _program.Repeat(end => _program.Range((byte)'0', (byte)'9', end), 0, 17, next);
        int natural = _program.Either(_program.Range((byte)'0', (byte)'0', next), _program.Range((byte)'1', (byte)'9', digits));
        return _program.Either(_program.Text("-", natural), natural);
    }

    private int Number(int next)
    {
        int Bounded(int end) => _program.Repeat(e => _program.Range((byte)'0', (byte)'9', e), 1, 18, end);
        int power = _program.Repeat(e => _program.Range((byte)'0', (byte)'9', e), 1, 3, next);
        int sign = _program.Any([_program.Text("+", power), _program.Text("-", power), power]);
        int exponent = _program.Any([_program.Text("e", sign), _program.Text("E", sign), next]);
        return Integer(_program.Either(_program.Text(".", Bounded(exponent)), exponent));
    }

    private int Space(int next) => _program.Either(next, _program.Text(" ", next));

    private int TextRule()
    {
        if (_text < 0)
        {
            _text = _program.DeclareRule();
            _program.DefineRule(_text, _program.Text("\"", _program.Repeat(AnyCharacter, 0, -1, _program.Text("\"", _program.Return))));
        }

        return _text;
    }

    private int Anything(int next)
    {
        if (_anything < 0)
        {
            _anything = _program.DeclareRule();
            int end = _program.Return;
            _program.DefineRule(_anything, _program.Any(
            [
                _program.Call(TextRule(), end), Number(end), Object(end), Elements(end), _program.Text("true", end), _program.Text("false", end), _program.Text("null", end),
            ]));
        }

        return _program.Call(_anything, next);
    }

    private int Object(int next) => Members(Anything, next);

    private int Map(JsonElement values, string place, int next)
    {
        int value = Rule(end => Value(values, $"{place}/additionalProperties", end));
        return Members(end => _program.Call(value, end), next);
    }

    private int Members(Func<int, int> value, int next)
    {
        int Member(int end) => _program.Call(TextRule(), _program.Text(":", Space(value(end))));
        int close = _program.Text("}", next);
        return _program.Text("{", _program.Either(close, Member(_program.Repeat(end => _program.Text(",", Space(Member(end))), 0, -1, close))));
    }

    private int Elements(int next)
    {
        int close = _program.Text("]", next);
        return _program.Text("[", _program.Either(close, Anything(_program.Repeat(end => _program.Text(",", Space(Anything(end))), 0, -1, close))));
    }

    private int Rule(Func<int, int> body)
    {
        int rule = _program.DeclareRule();
        _program.DefineRule(rule, body(_program.Return));
        return rule;
    }

    private int Reference(JsonElement reference, string place)
    {
        string target = reference.ValueKind == JsonValueKind.String ? reference.GetString()! : throw new ConstraintException($"{place}/$ref: must be a string.");
        if (_references.TryGetValue(target, out int known))
        {
            return known;
        }

        JsonElement found = Find(_root, reference, place);
        int rule = _program.DeclareRule();
        _references.Add(target, rule);
        _program.DefineRule(rule, Value(found, target, _program.Return));
        return rule;
    }

    /// <summary>Whether a keyword says something about a schema and restricts nothing.</summary>
    internal static bool IsNote(string word) => Notes.Contains(word);

    /// <summary>What a reference points to within its document.</summary>
    /// <exception cref="ConstraintException">Nothing, or something outside.</exception>
    internal static JsonElement Find(JsonElement root, JsonElement reference, string place)
    {
        string target = reference.ValueKind == JsonValueKind.String ? reference.GetString()! : throw new ConstraintException($"{place}/$ref: must be a string.");
        if (target != "#" && !target.StartsWith("#/", StringComparison.Ordinal))
        {
            throw new ConstraintException($"{place}/$ref: '{target}' is outside the schema, and nothing is fetched.");
        }

        JsonElement found = root;
        foreach (string step in target.Split('/').Skip(1))
        {
            string name = Uri.UnescapeDataString(step).Replace("~1", "/", StringComparison.Ordinal).Replace("~0", "~", StringComparison.Ordinal);
            if (found.ValueKind != JsonValueKind.Object || !found.TryGetProperty(name, out found))
            {
                throw new ConstraintException($"{place}/$ref: '{target}' is not in the schema.");
            }
        }

        return found;
    }

    private static void Known(JsonElement schema, string place, params ReadOnlySpan<string> words)
    {
        foreach (JsonProperty property in schema.EnumerateObject())
        {
            if (!words.Contains(property.Name) && !Notes.Contains(property.Name))
            {
                throw new ConstraintException($"{place}: '{property.Name}' is not supported here.");
            }
        }
    }

    private static int Count(JsonElement schema, string place, string word, int absent, int most) =>
        !schema.TryGetProperty(word, out JsonElement value) ? absent
        : value.ValueKind == JsonValueKind.Number && value.TryGetInt32(out int count) && count >= 0 && count <= most ? count
        : throw new ConstraintException($"{place}/{word}: must be a whole number of at most {most}.");

    // As this server writes JSON itself: no spaces, and no escapes but those that JSON needs.
    private static string Compact(JsonElement value)
    {
        using MemoryStream stream = new();
        using (Utf8JsonWriter writer = new(stream, new JsonWriterOptions { Encoder = System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            value.WriteTo(writer);
        }

        return System.Text.Encoding.UTF8.GetString(stream.ToArray());
    }

    private static string Quoted(string text) => $"\"{JsonEncodedText.Encode(text, System.Text.Encodings.Web.JavaScriptEncoder.UnsafeRelaxedJsonEscaping)}\"";
}
