using System.Text.Json;
using Microsoft.Extensions.AI;
using Portable.Chat.Tools;
using Portable.Extensions.AI;
using Portable.Generation.Constraints;
using Portable.Serving;
using AIOptions = Microsoft.Extensions.AI.ChatOptions;

namespace Portable.Tests.Server;

/// <summary>Answers of a given shape: whatever the model would rather say.</summary>
[Collection("Server")]
public sealed class ShapeTests(ServedModel served)
{
    private const string Strict = """[{"type":"function","function":{"name":"weather","strict":true,"parameters":{"type":"object","properties":{"day":{"enum":["today"]}},"required":["day"]}}}]""";
    private const string Hello = "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]";

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(2)]
    public async Task ASchemaIsKept(int seed)
    {
        const string Schema = """{"type":"object","properties":{"city":{"type":"string","maxLength":12},"sunny":{"type":"boolean"},"degrees":{"type":"integer"}},"required":["city","sunny"],"additionalProperties":false}""";
        string body = $$"""{{{Hello}},"temperature":1,"seed":{{seed}},"max_tokens":120,"response_format":{"type":"json_schema","json_schema":{"name":"weather","schema":{{Schema}},"strict":true} } }""";
        (int status, JsonElement answer) = await served.Post("/v1/chat/completions", body);
        Assert.Equal(200, status);
        JsonElement choice = answer.GetProperty("choices")[0];
        Assert.Equal("stop", choice.GetProperty("finish_reason").GetString());
        using JsonDocument json = JsonDocument.Parse(choice.GetProperty("message").GetProperty("content").GetString()!);
        Assert.InRange(json.RootElement.GetProperty("city").GetString()!.Length, 0, 24);
        Assert.Contains(json.RootElement.GetProperty("sunny").ValueKind, (JsonValueKind[])[JsonValueKind.True, JsonValueKind.False]);

        // A crowd of the same and others changes nothing.
        JsonElement[] again = [.. (await Task.WhenAll(Enumerable.Range(0, 4).Select(i => i % 2 == 0 ? served.Post("/v1/chat/completions", body) : served.Post("/v1/completions", """{"prompt":"Once","max_tokens":30}""")))).Select(a => a.Json)];
        Assert.Equal(choice.GetProperty("message").GetProperty("content").GetString(), again[0].GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
        Assert.Equal(choice.GetProperty("message").GetProperty("content").GetString(), again[2].GetProperty("choices")[0].GetProperty("message").GetProperty("content").GetString());
    }

    [Fact]
    public async Task AnExpressionIsKept()
    {
        (_, JsonElement answer) = await served.Post("/v1/completions", """{"prompt":"Once","max_tokens":60,"temperature":1,"guided_regex":"[A-Z][a-z]{2,5} (was|is) [0-9]{4}"}""");
        Assert.Matches("^[A-Z][a-z]{2,5} (was|is) [0-9]{4}$", answer.GetProperty("choices")[0].GetProperty("text").GetString());
    }

    [Fact]
    public async Task ARequiredCallComes()
    {
        const string Tools = """[{"type":"function","function":{"name":"weather","parameters":{"type":"object","properties":{"day":{"enum":["today","tomorrow"]}},"required":["day"]}}}]""";
        foreach (string choice in (string[])["\"required\"", """{"type":"function","function":{"name":"weather"}}"""])
        {
            (int status, JsonElement answer) = await served.Post("/v1/chat/completions", $$"""{{{Hello}},"max_tokens":80,"tools":{{Tools}},"tool_choice":{{choice}} }""");
            Assert.Equal(200, status);
            Assert.Equal("tool_calls", answer.GetProperty("choices")[0].GetProperty("finish_reason").GetString());
            JsonElement message = answer.GetProperty("choices")[0].GetProperty("message"), function = message.GetProperty("tool_calls")[0].GetProperty("function");
            Assert.Equal(("weather", JsonValueKind.Null), (function.GetProperty("name").GetString(), message.GetProperty("content").ValueKind));
            using JsonDocument arguments = JsonDocument.Parse(function.GetProperty("arguments").GetString()!);
            Assert.Contains(arguments.RootElement.GetProperty("day").GetString(), (string[])["today", "tomorrow"]);
        }

        (int refused, JsonElement error) = await served.Post("/v1/chat/completions", $$"""{{{Hello}},"tools":{{Tools}},"tool_choice":{"type":"function","function":{"name":"other"} } }""");
        Assert.Equal((400, "tool_choice"), (refused, error.GetProperty("error").GetProperty("param").GetString()));
    }

    /// <summary>What the limit of tokens leaves of a call is neither text nor a call, whole, streamed, as a response and in the process.</summary>
    [Theory]
    [InlineData(16)]
    [InlineData(24)]
    [InlineData(32)]
    public async Task ACallThatTheLimitCutsOffIsLeftOut(int most)
    {
        const string Function = """
            "name":"weather","parameters":{"type":"object","properties":{"day":{"enum":["the day after tomorrow, or the one behind it, or the last of all days"]}},"required":["day"]}
            """;
        string body = $$"""{{{Hello}},"max_tokens":{{most}},"tools":[{"type":"function","function":{ {{Function}} } }],"tool_choice":"required","stream":""";
        (int status, JsonElement whole) = await served.Post("/v1/chat/completions", body + "false}");
        JsonElement choice = whole.GetProperty("choices")[0];
        Assert.Equal((200, "length", ""), (status, choice.GetProperty("finish_reason").GetString(), choice.GetProperty("message").GetProperty("content").GetString()));
        Assert.False(choice.GetProperty("message").TryGetProperty("tool_calls", out _));
        Assert.Equal(most, whole.GetProperty("usage").GetProperty("completion_tokens").GetInt32());

        using HttpResponseMessage stream = await served.Client.PostAsync("/v1/chat/completions", ServedModel.Body(body + "true}"));
        string streamed = await stream.Content.ReadAsStringAsync();
        Assert.Contains("\"finish_reason\":\"length\"", streamed, StringComparison.Ordinal);
        Assert.DoesNotContain("tool_call", streamed, StringComparison.Ordinal);
        Assert.DoesNotContain("weather", streamed, StringComparison.Ordinal);

        (_, JsonElement response) = await served.Post("/v1/responses", $$"""{"input":"Hi","max_output_tokens":{{most}},"tools":[{"type":"function",{{Function}}}],"tool_choice":"required"}""");
        Assert.Equal("incomplete", response.GetProperty("status").GetString());
        Assert.DoesNotContain("tool_call", response.GetProperty("output").GetRawText(), StringComparison.Ordinal);

        AIFunction weather = AIFunctionFactory.Create((string day) => day, "weather");
        ChatResponse near = await served.Model.AsIChatClient().GetResponseAsync("Hi", new AIOptions { Tools = [weather], ToolMode = ChatToolMode.RequireAny, MaxOutputTokens = most });
        Assert.Equal((ChatFinishReason.Length, "", 0), (near.FinishReason, near.Text, near.Messages.SelectMany(m => m.Contents).Count(c => c is FunctionCallContent)));
    }

    [Fact]
    public async Task AStrictFunctionNeedNotBeCalled()
    {
        (int status, JsonElement answer) = await served.Post("/v1/chat/completions", $$"""{{{Hello}},"max_tokens":20,"tools":{{Strict}},"parallel_tool_calls":false}""");
        Assert.Equal(200, status);
        Assert.False(answer.GetProperty("choices")[0].GetProperty("message").TryGetProperty("tool_calls", out _));
    }

    [Fact]
    public async Task AStrictFunctionThatIsCalledKeepsItsSchema()
    {
        // The tag's tokens one after the other: each is the likeliest until it has been used.
        int[] tag = served.Model.Tokenizer.Encode("<tool_call>")[1..];
        GenerationOptions options = new() { MaximumTokens = 80, FrequencyPenalty = 1000, LogitBias = tag.Index().ToDictionary(t => t.Item, t => 10000.0 - (100 * t.Index)) };
        using JsonDocument tools = JsonDocument.Parse(Strict);
        JsonElement parameters = tools.RootElement[0].GetProperty("function").GetProperty("parameters");
        ByteProgram shape = served.Model.CallShape([("weather", parameters)], required: false, several: false);
        ServedChat chat = served.Model.ServeChat([new ChatTurn("user", "Hi")], options, new ChatTemplateOptions { Tools = tools.RootElement }, r => r with { Shape = served.Model.Shape(shape) });
        List<ToolCall> calls = [];
        await foreach (ChatPiece piece in chat.Pieces())
        {
            calls.AddRange(piece.Calls);
        }

        ToolCall call = Assert.Single(calls);
        using JsonDocument arguments = JsonDocument.Parse(call.Arguments);
        Assert.Equal(("weather", "today", AnswerEnd.Stop), (call.Name, arguments.RootElement.GetProperty("day").GetString(), chat.Answer.End));
    }

    [Fact]
    public async Task TheClientsTypedAnswersAndFunctionsWork()
    {
        IChatClient client = served.Model.AsIChatClient();
        ChatResponse typed = await client.GetResponseAsync("How is it?", new AIOptions { MaxOutputTokens = 200, ResponseFormat = ChatResponseFormat.ForJsonSchema<Weather>() });
        Assert.Equal(ChatFinishReason.Stop, typed.FinishReason);
        using JsonDocument json = JsonDocument.Parse(typed.Text);
        Assert.Contains(json.RootElement.GetProperty("sunny").ValueKind, (JsonValueKind[])[JsonValueKind.True, JsonValueKind.False]);
        AIFunction function = AIFunctionFactory.Create((bool loud) => loud ? "LOUD" : "quiet", "speak");
        ChatResponse called = await client.GetResponseAsync("Speak", new AIOptions { Tools = [function], ToolMode = ChatToolMode.RequireAny, MaxOutputTokens = 80 });
        FunctionCallContent call = Assert.IsType<FunctionCallContent>(Assert.Single(called.Messages[0].Contents, c => c is FunctionCallContent));
        Assert.Equal(("speak", ChatFinishReason.ToolCalls), (call.Name, called.FinishReason));
        Assert.Matches("^(LOUD|quiet)$", (await function.InvokeAsync(new AIFunctionArguments(call.Arguments)))!.ToString()!);
    }

    [Theory]
    [InlineData("""{"type":"json_schema","json_schema":{"schema":{"$ref":"http://127.0.0.1/"}}}""")]
    [InlineData("""{"type":"json_schema","json_schema":{"schema":{"type":"integer","multipleOf":3}}}""")]
    [InlineData("""{"type":"json_schema","json_schema":{"schema":{"$ref":"#"}}}""")]
    [InlineData("""{"type":"json_schema"}""")]
    [InlineData("""{"type":"xml"}""")]
    public async Task AShapeThatCannotBeIsRefused(string format)
    {
        (int status, JsonElement json) = await served.Post("/v1/chat/completions", $$"""{{{Hello}},"response_format":{{format}} }""");
        Assert.Equal(400, status);
        Assert.NotEmpty(json.GetProperty("error").GetProperty("message").GetString()!);
    }

    private sealed record Weather(bool Sunny, int Degrees);
}
