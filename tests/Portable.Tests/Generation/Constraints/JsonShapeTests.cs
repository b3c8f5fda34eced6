using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using FsCheck.Xunit;
using Portable.Generation.Constraints;

namespace Portable.Tests.Generation.Constraints;

/// <summary>Shapes of answers: what an automaton takes is what the schema says, told by others' readers of JSON and of expressions.</summary>
public sealed class JsonShapeTests
{
    private const string Person = """
        {"type":"object","properties":{"name":{"type":"string"},"age":{"type":"integer"},"tags":{"type":"array","items":{"enum":["a","b\"c",1,null]},"maxItems":2},
         "home":{"$ref":"#/$defs/place"}},"required":["name","home"],"additionalProperties":false,"$defs":{"place":{"type":["object","null"],"properties":{"x":{"type":"number"}},"required":["x"]}}}
        """;

    [Theory]
    [InlineData(Person, """{"name":"Zoë 🌊","home":null}""", true)]
    [InlineData(Person, """{"name":"a\n\u00e9","age":-12,"tags":["a",null],"home":{"x":1.5e-3}}""", true)]
    [InlineData(Person, """{"name": "a", "tags": [], "home": {"x": 0}}""", true)]
    [InlineData(Person, """{"name":"a"}""", false)]
    [InlineData(Person, """{"home":null,"name":"a"}""", false)]
    [InlineData(Person, """{"name":"a","age":01,"home":null}""", false)]
    [InlineData(Person, """{"name":"a","tags":["a","a","a"],"home":null}""", false)]
    [InlineData(Person, """{"name":"a","tags":["c"],"home":null}""", false)]
    [InlineData(Person, """{"name":"a","home":null,"more":1}""", false)]
    [InlineData(Person, """{"name":"\ud800","home":null}""", false)]
    [InlineData("{}", """{"a":[1,{"b":[[],{},"x"]},true]}""", true)]
    [InlineData("{}", """[1,]""", false)]
    [InlineData("""{"type":"string","minLength":2,"maxLength":3}""", "\"añ\"", true)]
    [InlineData("""{"type":"string","minLength":2,"maxLength":3}""", "\"a\"", false)]
    [InlineData("""{"type":"string","minLength":2,"maxLength":3}""", "\"abcd\"", false)]
    [InlineData("""{"type":"string","pattern":"^[A-Z]{2}-\\d+\"?$"}""", "\"AB-12\\\"\"", true)]
    [InlineData("""{"type":"string","pattern":"^[A-Z]{2}-\\d+\"?$"}""", "\"AB-\"", false)]
    [InlineData("""{"type":"object","additionalProperties":{"type":"boolean"}}""", """{"x":true,"y":false}""", true)]
    [InlineData("""{"type":"object","additionalProperties":{"type":"boolean"}}""", """{"x":1}""", false)]
    [InlineData("""{"type":"array","items":{"type":"integer"},"minItems":2}""", "[1]", false)]
    [InlineData("""{"type":"array","items":{"type":"integer"},"minItems":2}""", "[1,2,3]", true)]
    [InlineData("""{"anyOf":[{"const":{"a":1}},{"type":"boolean"}]}""", """{"a":1}""", true)]
    [InlineData("""{"$ref":"#/$defs/tree","$defs":{"tree":{"type":"object","properties":{"next":{"$ref":"#/$defs/tree"}}}}}""", """{"next":{"next":{}}}""", true)]
    [InlineData("""{"allOf":[{"$ref":"#/$defs/a"},{"properties":{"b":{"type":"integer","minimum":2},"x":{"maximum":9}},"required":["b"]}],"$defs":{"a":{"type":"object","properties":{"x":{"type":"number","minimum":3}}}}}""", """{"x":3.5,"b":2}""", true)]
    [InlineData("""{"allOf":[{"$ref":"#/$defs/a"},{"properties":{"b":{"type":"integer","minimum":2},"x":{"maximum":9}},"required":["b"]}],"$defs":{"a":{"type":"object","properties":{"x":{"type":"number","minimum":3}}}}}""", """{"x":9.5,"b":2}""", false)]
    [InlineData("""{"allOf":[{"enum":["a","b"]},{"enum":["b","c"]}]}""", "\"b\"", true)]
    [InlineData("""{"allOf":[{"enum":["a","b"]},{"enum":["b","c"]}]}""", "\"a\"", false)]
    [InlineData("""{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false}""", "[1,\"a\"]", true)]
    [InlineData("""{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false}""", "[1]", true)]
    [InlineData("""{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"items":false}""", "[1,\"a\",2]", false)]
    [InlineData("""{"type":"array","prefixItems":[{"type":"integer"},{"type":"string"}],"minItems":2,"maxItems":2}""", "[1]", false)]
    [InlineData("""{"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"string"},"minItems":2}""", "[1,\"a\",\"b\"]", true)]
    [InlineData("""{"type":"array","prefixItems":[{"type":"integer"}],"items":{"type":"string"},"minItems":2}""", "[1]", false)]
    public void ValuesOfASchemaAreTakenAndOthersAreNot(string schema, string text, bool taken) => Assert.Equal(taken, Takes(JsonShape.Of(Parse(schema)), text));

    [Theory]
    [InlineData("""{"$ref":"https://example.org/schema"}""", "nothing is fetched")]
    [InlineData("""{"$ref":"#/$defs/none"}""", "is not in the schema")]
    [InlineData("""{"type":"integer","multipleOf":3}""", "'multipleOf' is not supported")]
    [InlineData("""{"type":"integer","minimum":4.2,"maximum":4.8}""", "no whole number")]
    [InlineData("""{"type":"number","minimum":1,"exclusiveMaximum":1}""", "no number")]
    [InlineData("""{"type":"number","minimum":1e30}""", "minimum: must be a number")]
    [InlineData("""{"type":"string","format":"regex"}""", "'regex' is not supported; date, ")]
    [InlineData("""{"type":"array","uniqueItems":true}""", "'uniqueItems' is not supported")]
    [InlineData("""{"allOf":[{"type":"string"},{"type":"integer"}]}""", "'type' cannot be merged")]
    [InlineData("""{"allOf":[{"$ref":"#"}]}""", "refers to itself")]
    [InlineData("""{"allOf":[{"$ref":"#/$defs/a"},{"$ref":"#/$defs/b"}],"$defs":{"a":{"properties":{"x":{"$ref":"#/$defs/a"}}},"b":{"properties":{"x":{"$ref":"#/$defs/b"}}}}}""", "nests too deep")]
    [InlineData("""{"allOf":[{"properties":{"a":true},"additionalProperties":false},{"properties":{"b":true}}]}""", "additionalProperties is false")]
    [InlineData("""{"type":"object","properties":{"a":{"type":"date"}}}""", "'date' is no type")]
    [InlineData("""{"allOf":[{"not":{}}]}""", "'not' is not supported")]
    [InlineData("""{"type":"string","maxLength":1000000}""", "maxLength")]
    [InlineData("""{"type":"string","pattern":"a"}""", "must begin with ^")]
    [InlineData("""{"type":"string","pattern":"^(?=a)a$"}""", "not supported")]
    [InlineData("""{"type":"string","pattern":"^(a$"}""", "cannot be read")]
    [InlineData("""{"type":"object","required":["a"]}""", "not declared")]
    [InlineData("[]", "a schema is an object")]
    public void WhatIsNotSupportedIsRefusedByName(string schema, string said) =>
        Assert.Contains(said, Assert.Throws<ConstraintException>(() => JsonShape.Of(Parse(schema))).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData("date", "2026-11-27,1999-01-31,0000-02-29", "2026-13-01,26-11-27,2026-11-27T,2026-02-30,2026-04-31,1900-02-29")]
    [InlineData("time", "12:30:59Z,00:00:00.125+02:00", "24:00:00Z,12:30Z,12:30:59")]
    [InlineData("date-time", "2026-11-27T04:25:00Z", "2026-11-27 04:25:00Z,2026-11-27,2026-02-30T04:25:00Z")]
    [InlineData("duration", "P3Y6M4DT12H30M5S,PT1M,P2W", "P,PT,P1S,1D")]
    [InlineData("uuid", "123e4567-e89b-12d3-a456-426614174000", "123e4567e89b12d3a456426614174000,g23e4567-e89b-12d3-a456-426614174000")]
    [InlineData("ipv4", "127.0.0.1,255.255.255.255", "256.1.1.1,1.2.3,01.2.3.4")]
    [InlineData("ipv6", "::,::1,2001:db8::ff00:42:8329,1:2:3:4:5:6:7:8,1::", "1:2:3,:::,1:2:3:4:5:6:7:8:9,12345::")]
    [InlineData("hostname", "example.org,localhost", "-a.org,a..b")]
    [InlineData("email", "a.b+c@example.org", "a@b,@example.org,a..b@example.org")]
    [InlineData("uri", "https://example.org/a?b=c#d,urn:isbn:1", "no scheme,1a:b,http://a b")]
    public void FormatsAreTheirs(string format, string taken, string not)
    {
        ByteProgram program = JsonShape.Of(Parse($$"""{"type":"string","format":"{{format}}"}"""));
        Assert.All(taken.Split(','), t => Assert.True(Takes(program, $"\"{t}\""), t));
        Assert.All(not.Split(','), t => Assert.False(Takes(program, $"\"{t}\""), t));
    }

    /// <summary>Dates are those of the calendar: each month's days, and the 29th of February where the year has it.</summary>
    [Fact]
    public void DatesAreDaysThatThereAre()
    {
        ByteProgram date = JsonShape.Of(Parse("""{"type":"string","format":"date"}""")), time = JsonShape.Of(Parse("""{"type":"string","format":"date-time"}"""));
        ByteAutomaton dates = new(date), times = new(time);
        (int, int, int)[] days =
        [
            .. Enumerable.Range(1, 9999).SelectMany(y => Enumerable.Range(28, 3).Select(d => (y, 2, d))),
            .. from y in (int[])[1900, 2000, 2023, 2024] from m in Enumerable.Range(0, 15) from d in Enumerable.Range(0, 34) select (y, m, d),
        ];
        foreach ((int year, int month, int day) in days)
        {
            bool right = month is >= 1 and <= 12 && day >= 1 && day <= DateTime.DaysInMonth(year, month);
            Assert.True(right == Takes(dates, $"\"{year:D4}-{month:D2}-{day:D2}\""), $"{year}-{month}-{day}");
            Assert.True(right == Takes(times, $"\"{year:D4}-{month:D2}-{day:D2}T00:00:00Z\""), $"{year}-{month}-{day}");
        }
    }

    /// <summary>Bounds of one or two sides, whole or not: a number is taken just when its value lies within.</summary>
    [Property(MaxTest = 150)]
    public void BoundedNumbersAreThoseWithin(int seed)
    {
        Random random = new(seed);
        bool whole = random.Next(2) == 0;
        decimal Some() => decimal.Round((decimal)(random.NextDouble() - 0.5) * (decimal)Math.Pow(10, random.Next(1, 6)), random.Next(4));
        decimal? least = random.Next(4) > 0 ? Some() : null, most = random.Next(4) > 0 ? (least ?? 0) + Math.Abs(Some()) + 1 : null;
        bool above = random.Next(2) == 0, below = random.Next(2) == 0;
        List<string> words = [$"\"type\":\"{(whole ? "integer" : "number")}\""];
        if (least is not null)
        {
            words.Add(FormattableString.Invariant($"\"{(above ? "exclusiveMinimum" : "minimum")}\":{least}"));
        }

        if (most is not null)
        {
            words.Add(FormattableString.Invariant($"\"{(below ? "exclusiveMaximum" : "maximum")}\":{most}"));
        }

        ByteProgram program = JsonShape.Of(Parse($"{{{string.Join(',', words)}}}"));
        decimal[] around = [.. new[] { least, most }.OfType<decimal>().SelectMany(b => new[] { b, b + 0.001m, b - 0.001m, b + 1, b - 1, Math.Floor(b), Math.Ceiling(b) }), .. Enumerable.Range(0, 60).Select(_ => Some()), 0, 10, 100, 99, -10];
        foreach (decimal each in around)
        {
            decimal value = whole ? Math.Round(each) : each;
            string text = value.ToString(System.Globalization.CultureInfo.InvariantCulture);
            text = value == 0 ? "0" : whole ? text.Split('.')[0] : text;
            bool within = (least is null || (above ? value > least : value >= least)) && (most is null || (below ? value < most : value <= most));
            Assert.True(within == Takes(program, text), $"{text}: {string.Join(',', words)}");
            if (!whole && !text.Contains('.'))
            {
                Assert.Equal(within, Takes(program, text + ".00"));
            }
        }
    }

    [Fact]
    public void VastAndCircularSchemasAreBounded()
    {
        Assert.Throws<ConstraintException>(() => JsonShape.Of(Parse("""{"type":"array","minItems":1000,"maxItems":1000,"items":{"type":"string","pattern":"^(\\w{1000}){1000}$"}}""")));
        Assert.Equal(ByteAutomaton.Dead, new ByteAutomaton(JsonShape.Of(Parse("""{"$ref":"#"}"""))).Start);
        string deep = string.Concat(Enumerable.Repeat("[", 200)) + string.Concat(Enumerable.Repeat("]", 200));
        Assert.False(Takes(JsonShape.Of(Parse("{}")), deep));
    }

    [Theory]
    [InlineData("plain < text <tool_cal", true)]
    [InlineData("", true)]
    [InlineData("see:<<tool_call>\n{\"n\":{\"a\":true}}</tool_call> and <b>", true)]
    [InlineData("<tool_call>\n{\"n\":{\"a\":true}}</tool_call>\n<tool_call>\n{\"n\":{\"a\":false}}</tool_call>", null)]
    [InlineData("<tool_call>\n{\"n\":{\"a\":1}}</tool_call>", false)]
    [InlineData("x<tool_call>", false)]
    public void CallsInATextAreOfTheirSchema(string text, bool? taken)
    {
        (string, JsonElement, string)[] calls = [("<tool_call>\n{\"n\":", Parse("""{"type":"object","properties":{"a":{"type":"boolean"}},"required":["a"]}"""), "}</tool_call>")];
        Assert.Equal(taken ?? true, Takes(JsonShape.OfCalls(calls, required: false, several: true, "<tool_call>"), text));
        Assert.Equal(taken == true && !text.Contains(" and ", StringComparison.Ordinal), Takes(JsonShape.OfCalls(calls, required: false, several: false, "<tool_call>"), text));
        Assert.Equal(text is "<tool_call>\n{\"n\":{\"a\":true}}</tool_call>", Takes(JsonShape.OfCalls(calls, required: true, several: false, "<tool_call>"), text));
    }

    [Theory]
    [InlineData("plain {text", true)]
    [InlineData("", true)]
    [InlineData("{\"a\":true}", true)]
    [InlineData("{ text", false)]
    public void WholeCallsAreOfTheirSchemaAndTextsBeginOtherwise(string text, bool taken) =>
        Assert.Equal(taken, Takes(JsonShape.OfCalls([("{\"a\":", Parse("""{"type":"boolean"}"""), "}")], required: false, several: true, ""), text));

    /// <summary>Whatever random way an automaton is walked to its end, the text is JSON of the schema's kind.</summary>
    [Property(MaxTest = 60)]
    public void WalksEndInJson(int seed)
    {
        Random random = new(seed);
        ByteAutomaton automaton = new(seed % 3 == 0 ? JsonShape.AnyObject() : JsonShape.Of(Parse(Person)));
        List<byte> text = [];
        int state = automaton.Start;
        while (!automaton.Ends(state) && text.Count < 4000)
        {
            byte[] possible = [.. Enumerable.Range(0, 256).Select(b => (byte)b).Where(b => automaton.Next(state, b) != ByteAutomaton.Dead)];
            Assert.NotEmpty(possible);
            // Closers are likelier, so that walks end.
            byte[] closing = [.. possible.Where(b => b is (byte)'"' or (byte)'}' or (byte)']')];
            byte next = closing.Length > 0 && random.Next(3) > 0 ? closing[random.Next(closing.Length)] : possible[random.Next(possible.Length)];
            text.Add(next);
            state = automaton.Next(state, next);
        }

        if (automaton.Accepts(state))
        {
            using JsonDocument document = JsonDocument.Parse(text.ToArray());
            Assert.Equal(JsonValueKind.Object, document.RootElement.ValueKind);
            if (seed % 3 != 0)
            {
                Assert.Equal(JsonValueKind.String, document.RootElement.GetProperty("name").ValueKind);
                Assert.NotNull(document.RootElement.GetProperty("name").GetString());
            }
        }
    }

    [Theory]
    [InlineData("^[a-c]+(x|yz)?$")]
    [InlineData("(ab|a)*b{1,2}")]
    [InlineData("[^b]a.?")]
    [InlineData("\\d{2,3}|é+")]
    public void ExpressionsTakeWhatDotNetsTake(string pattern)
    {
        Regex regex = new($"^(?:{pattern.Trim('^', '$')})$", RegexOptions.CultureInvariant);
        ByteProgram program = JsonShape.OfPattern(pattern);
        Random random = new(3);
        for (int i = 0; i < 400; i++)
        {
            string text = string.Concat(Enumerable.Range(0, random.Next(7)).Select(_ => "abcxyz1é"[random.Next(8)]));
            Assert.Equal(regex.IsMatch(text), Takes(program, text));
        }
    }

    private static bool Takes(ByteProgram program, string text) => Takes(new ByteAutomaton(program), text);

    private static bool Takes(ByteAutomaton automaton, string text)
    {
        int state = automaton.Start;
        foreach (byte value in Encoding.UTF8.GetBytes(text))
        {
            if (state == ByteAutomaton.Dead)
            {
                return false;
            }

            state = automaton.Next(state, value);
        }

        return state != ByteAutomaton.Dead && automaton.Accepts(state);
    }

    private static JsonElement Parse(string json)
    {
        using JsonDocument document = JsonDocument.Parse(json);
        return document.RootElement.Clone();
    }
}
