using System.Diagnostics;
using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Portable.Server;
using Portable.Server.Http;

namespace Portable.Tests.Server;

/// <summary>What is wrong gets an error in the protocol's shape, and harms nobody else.</summary>
[Collection("Server")]
public sealed class RefusalTests(ServedModel served)
{
    private const string Chat = "/v1/chat/completions", Text = "/v1/completions", Hello = "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]";

    [Theory]
    [InlineData(Chat, "{", 400, null, "invalid_json")]
    [InlineData(Chat, "[]", 400, null, "invalid_json")]
    [InlineData(Chat, "{\"a\":1,\"a\":2}", 400, null, "invalid_json")]
    [InlineData(Chat, "{}", 400, "messages", "missing_required_parameter")]
    [InlineData(Chat, "{\"messages\":[]}", 400, "messages", "invalid_value")]
    [InlineData(Chat, "{\"messages\":\"Hi\"}", 400, "messages", "invalid_value")]
    [InlineData(Chat, "{\"messages\":[{\"role\":\"pope\",\"content\":\"Hi\"}]}", 400, "messages[0].role", "invalid_value")]
    [InlineData(Chat, "{\"messages\":[{\"role\":\"user\",\"content\":\"\\ud800\"}]}", 400, null, "invalid_json")]
    [InlineData(Chat, "{\"messages\":[{\"role\":\"user\",\"content\":[{\"type\":\"image_url\",\"image_url\":{\"url\":\"http://127.0.0.1/\"}}]}]}", 400, "messages[0].content[0].type", "unsupported_content")]
    [InlineData(Chat, "{" + Hello + ",\"model\":\"other\"}", 404, "model", "model_not_found")]
    [InlineData(Chat, "{" + Hello + ",\"temperature\":\"hot\"}", 400, "temperature", "invalid_value")]
    [InlineData(Chat, "{" + Hello + ",\"temperature\":-1}", 400, "temperature", "invalid_value")]
    [InlineData(Chat, "{" + Hello + ",\"max_tokens\":0}", 400, "max_tokens", "invalid_value")]
    [InlineData(Chat, "{" + Hello + ",\"max_tokens\":1.5}", 400, "max_tokens", "invalid_value")]
    [InlineData(Chat, "{" + Hello + ",\"n\":1000}", 400, "n", "invalid_value")]
    [InlineData(Chat, "{" + Hello + ",\"stop\":[\"\"]}", 400, "stop", "invalid_value")]
    [InlineData(Chat, "{" + Hello + ",\"top_logprobs\":2}", 400, "top_logprobs", "invalid_value")]
    [InlineData(Chat, "{" + Hello + ",\"logit_bias\":{\"x\":1}}", 400, "logit_bias", "invalid_value")]
    [InlineData(Chat, "{" + Hello + ",\"logit_bias\":{\"99999\":1}}", 400, null, "invalid_value")]
    [InlineData(Text, "{\"prompt\":\"a\",\"logit_bias\":{\"99999\":1}}", 400, null, "invalid_value")]
    [InlineData(Chat, "{" + Hello + ",\"min_tokens\":4}", 400, "min_tokens", "unsupported_parameter")]
    [InlineData(Chat, "{" + Hello + ",\"chat_template\":\"x\"}", 400, "chat_template", "unsupported_parameter")]
    [InlineData(Chat, "{" + Hello + ",\"modalities\":[\"audio\"]}", 400, "modalities", "unsupported_parameter")]
    [InlineData(Chat, "{" + Hello + ",\"functions\":[{}]}", 400, "functions", "unsupported_parameter")]
    [InlineData(Chat, "{" + Hello + ",\"tools\":[{\"type\":\"web_search\"}]}", 400, "tools[0].type", "invalid_value")]
    [InlineData("/v1/responses", "{}", 400, "input", "missing_required_parameter")]
    [InlineData("/v1/responses", "{\"input\":\"Hi\",\"previous_response_id\":\"resp_1\"}", 400, "previous_response_id", "unsupported_parameter")]
    [InlineData("/v1/responses", "{\"input\":[{\"role\":\"user\",\"content\":[{\"type\":\"input_image\",\"image_url\":\"http://127.0.0.1/\"}]}]}", 400, "input[0].content[0].type", "unsupported_content")]
    [InlineData("/v1/responses", "{\"input\":[{\"type\":\"function_call\",\"name\":\"f\",\"arguments\":\"[\"}]}", 400, "input[0].arguments", "invalid_value")]
    [InlineData(Chat, "{\"messages\":[{\"role\":\"tool\",\"content\":\"Hi\"}]}", 400, "messages", "template_error")]
    [InlineData(Text, "{}", 400, "prompt", "missing_required_parameter")]
    [InlineData(Text, "{\"prompt\":[]}", 400, "prompt", "invalid_value")]
    [InlineData(Text, "{\"prompt\":[100000]}", 400, null, "invalid_value")]
    [InlineData(Text, "{\"prompt\":[-1]}", 400, null, "invalid_value")]
    [InlineData(Text, "{\"prompt\":[\"a\",1]}", 400, "prompt", "invalid_value")]
    [InlineData(Text, "{\"prompt\":\"a\",\"suffix\":\"b\"}", 400, "suffix", "unsupported_parameter")]
    [InlineData(Text, "{\"prompt\":\"a\",\"best_of\":3}", 400, "best_of", "unsupported_parameter")]
    public async Task WhatIsWrongIsNamed(string path, string body, int status, string? parameter, string code)
    {
        (int actual, JsonElement json) = await served.Post(path, body);
        JsonElement error = json.GetProperty("error");
        Assert.Equal((status, parameter, code), (actual, error.GetProperty("param").GetString(), error.GetProperty("code").GetString()));
        Assert.Equal("invalid_request_error", error.GetProperty("type").GetString());
        Assert.NotEmpty(error.GetProperty("message").GetString()!);
    }

    [Theory]
    [InlineData(Text, "{\"prompt\":\"a\",\"stop\":5}", "'stop' must be a string or an array of strings, not 5.")]
    [InlineData(Text, "{\"prompt\":5}", "'prompt' must be a string, or an array of strings, token ids or arrays of token ids, not 5.")]
    [InlineData(Chat, "{\"messages\":[{\"role\":\"user\",\"content\":5}]}", "'messages[0].content' must be a string or an array of parts, not 5.")]
    [InlineData("/v1/responses", "{\"input\":5}", "'input' must be a string or an array of items, not 5.")]
    [InlineData(Chat, "{\"a\":1,\"a\":2}", "The request has a key twice: 'a'.")]
    [InlineData(Chat, "{\n x", "The request is not JSON: line 2, byte 2.")]
    public async Task WhatWouldBeRightIsSaid(string path, string body, string said) =>
        Assert.StartsWith(said, (await served.Post(path, body)).Item2.GetProperty("error").GetProperty("message").GetString()!, StringComparison.Ordinal);

    [Fact]
    public async Task ATextThatFillsTheContextIsRefusedByNameAndSoIsABodyTooLong()
    {
        (int status, JsonElement json) = await served.Post(Text, $$"""{"prompt":"{{string.Join(' ', Enumerable.Repeat("word", 400))}}"}""");
        Assert.Equal((400, "context_length_exceeded"), (status, json.GetProperty("error").GetProperty("code").GetString()));
        await using ModelServer small = await served.Start(new ServerOptions { MaximumBodyBytes = 100 });
        await small.Ready;
        using HttpResponseMessage response = await served.Client.PostAsync(new Uri(small.Address, Text), ServedModel.Body($$"""{"prompt":"{{new string('a', 200)}}"}"""));
        Assert.Equal(HttpStatusCode.RequestEntityTooLarge, response.StatusCode);
    }

    [Fact]
    public async Task NamesOfOtherPlacesAndOtherPagesAreRefused()
    {
        Assert.Equal(200, await Status("/v1/models"));
        Assert.Equal(403, await Status("/v1/models", ("Host", "evil.example")));
        Assert.Equal(403, await Status("/", ("Host", "evil.example:8080")));
        Assert.Equal(200, await Status("/v1/models", ("Host", "localhost:1")));
        Assert.Equal(403, await Status("/v1/models", ("Origin", "https://evil.example")));
        Assert.Equal(403, await Status("/v1/models", ("Origin", "null")));
        Assert.Equal(200, await Status("/v1/models", ("Origin", served.Server.Address.ToString().TrimEnd('/'))));
        Assert.Equal(404, await Status("/etc/passwd"));
        using HttpResponseMessage wrong = await served.Client.PostAsync(Text, new StringContent("{\"prompt\":\"a\"}", Encoding.UTF8, "text/plain"));
        Assert.Equal(HttpStatusCode.UnsupportedMediaType, wrong.StatusCode);
        using HttpResponseMessage get = await served.Client.GetAsync(Text);
        Assert.Equal(HttpStatusCode.MethodNotAllowed, get.StatusCode);
        Assert.Equal("method_not_allowed", Error(await get.Content.ReadAsStringAsync()).GetProperty("code").GetString());
    }

    [Fact]
    public async Task AKeyGuardsAllButThePageAndHealth()
    {
        await using ModelServer guarded = await served.Start(new ServerOptions { Keys = ["first", "second"], Origins = ["https://friend.example"] });
        await guarded.Ready;
        Assert.Equal(200, await Status("/", server: guarded));
        Assert.Equal(200, await Status("/health", server: guarded));
        foreach (string path in (string[])["/v1/models", "/metrics", "/v1/nothing"])
        {
            Assert.Equal(401, await Status(path, server: guarded));
            Assert.Equal(401, await Status(path, ("Authorization", "Bearer third"), guarded));
            Assert.Equal(401, await Status(path, ("Authorization", "first"), guarded));
        }

        Assert.Equal(200, await Status("/v1/models", ("Authorization", "Bearer second"), guarded));

        // What one key's text left in the cache, another's does not find.
        int first = await Reused("first"), again = await Reused("first"), other = await Reused("second");
        Assert.Equal((0, true, 0), (first, again > 0, other));

        using HttpRequestMessage ask = new(HttpMethod.Options, new Uri(guarded.Address, "/v1/models"));
        ask.Headers.Add("Origin", "https://friend.example");
        using HttpResponseMessage may = await served.Client.SendAsync(ask);
        Assert.Equal(("https://friend.example", HttpStatusCode.NoContent), (may.Headers.GetValues("Access-Control-Allow-Origin").Single(), may.StatusCode));

        async Task<int> Reused(string key)
        {
            using HttpRequestMessage request = new(HttpMethod.Post, new Uri(guarded.Address, Text)) { Content = ServedModel.Body($$"""{"prompt":"{{string.Join(' ', Enumerable.Repeat("The old lighthouse was", 12))}}","max_tokens":2}""") };
            request.Headers.Add("Authorization", "Bearer " + key);
            using HttpResponseMessage response = await served.Client.SendAsync(request);
            using JsonDocument json = JsonDocument.Parse(await response.Content.ReadAsStringAsync());
            return json.RootElement.GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32();
        }
    }

    [Theory]
    [InlineData("0.0.0.0")]
    [InlineData("::")]
    [InlineData("192.0.2.1")]
    public async Task BeyondLoopbackAKeyIsNeeded(string host) =>
        await Assert.ThrowsAsync<KeyNeededException>(() => served.Start(new ServerOptions { Host = host }));

    [Theory]
    [InlineData("example.org")]
    [InlineData("a key is needed")]
    public async Task AHostIsAnAddress(string host) =>
        await Assert.ThrowsAsync<ArgumentException>(() => served.Start(new ServerOptions { Host = host }));

    [Fact]
    public async Task AModelThatIsNotThereIsToldAndUntilThenTheServerIsLoading()
    {
        TaskCompletionSource load = new();
        await using ModelServer server = await ModelServer.StartAsync("none", () =>
        {
            load.Task.Wait();
            return LanguageModel.Open("/nowhere");
        }, new ServerOptions { Port = 0 });
        Assert.Equal(503, await Status("/health", server: server));
        Assert.Equal(503, await Status("/v1/models", server: server));
        load.SetResult();
        await Assert.ThrowsAnyAsync<Exception>(() => server.Ready);
    }

    [Fact]
    public async Task WhoeverLeavesFreesItsPlace()
    {
        for (int i = 0; i < 6; i++)
        {
            using HttpRequestMessage request = new(HttpMethod.Post, Text) { Content = ServedModel.Body("""{"prompt":"Once","max_tokens":240,"ignore_eos":true,"stream":true}""") };
            using HttpResponseMessage response = await served.Client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead);
            using Stream stream = await response.Content.ReadAsStreamAsync();
            Assert.True(await stream.ReadAsync(new byte[8]) > 0);
        }

        TimeSpan patience = TimeSpan.FromMinutes(2);
        for (Stopwatch waited = Stopwatch.StartNew(); served.Model.Engine.Scheduler.Running + served.Model.Engine.Scheduler.Waiting > 0;)
        {
            Assert.True(waited.Elapsed < patience, "a place is still taken");
            await Task.Delay(20);
        }
    }

    [Fact]
    public async Task StoppingFinishesWhatIsUnderWay()
    {
        await using ModelServer server = await served.Start();
        await server.Ready;
        Task<HttpResponseMessage> asked = served.Client.PostAsync(new Uri(server.Address, Text), ServedModel.Body("""{"prompt":"Once","max_tokens":100,"ignore_eos":true}"""));
        using HttpRequestMessage begun = new(HttpMethod.Post, new Uri(server.Address, Text)) { Content = ServedModel.Body("""{"prompt":"Once","max_tokens":100,"ignore_eos":true,"stream":true}""") };
        using HttpResponseMessage stream = await served.Client.SendAsync(begun, HttpCompletionOption.ResponseHeadersRead);
        Task stopped = server.StopAsync();
        Assert.EndsWith("data: [DONE]\n\n", await stream.Content.ReadAsStringAsync(), StringComparison.Ordinal);
        await stopped;
        try
        {
            using HttpResponseMessage answer = await asked;
            Assert.Equal(HttpStatusCode.OK, answer.StatusCode);
        }
        catch (HttpRequestException)
        {
            // It came when nothing more was taken.
        }
    }

    [Fact]
    public async Task ConnectionsThatSendNothingHarmNobody()
    {
        List<TcpClient> idle = [];
        try
        {
            for (int i = 0; i < 200; i++)
            {
                TcpClient client = new();
                await client.ConnectAsync(served.Server.Address.Host, served.Server.Address.Port);
                await client.GetStream().WriteAsync(i % 2 == 0 ? "POST /v1/completions HTTP/1.1\r\nHost: local"u8.ToArray() : Array.Empty<byte>());
                idle.Add(client);
            }

            Assert.Equal(200, (await served.Post(Text, "{\"prompt\":\"a\",\"max_tokens\":1}")).Status);
        }
        finally
        {
            idle.ForEach(c => c.Dispose());
        }
    }

    [Fact]
    public async Task ThePageRunsItsOwnScriptAlone()
    {
        using HttpResponseMessage response = await served.Client.GetAsync("/");
        string page = await response.Content.ReadAsStringAsync(), policy = response.Headers.GetValues("Content-Security-Policy").Single();
        Assert.StartsWith("default-src 'none'; script-src 'sha256-", policy, StringComparison.Ordinal);
        foreach (string tag in (string[])["script", "style"])
        {
            string inner = page.Split($"<{tag}>")[1].Split($"</{tag}>")[0];
            Assert.Contains($"{tag}-src 'sha256-{Convert.ToBase64String(System.Security.Cryptography.SHA256.HashData(Encoding.UTF8.GetBytes(inner)))}'", policy, StringComparison.Ordinal);
        }

        Assert.DoesNotContain("innerHTML", page, StringComparison.Ordinal);
        Assert.DoesNotMatch("(src|href)=\"(https?:)?//", page);
    }

    private static JsonElement Error(string text)
    {
        using JsonDocument document = JsonDocument.Parse(text);
        return document.RootElement.GetProperty("error").Clone();
    }

    private async Task<int> Status(string path, (string Name, string Value)? header = null, ModelServer? server = null)
    {
        using HttpRequestMessage request = new(HttpMethod.Get, new Uri((server ?? served.Server).Address, path));
        if (header is { } given)
        {
            request.Headers.TryAddWithoutValidation(given.Name, given.Value);
        }

        using HttpResponseMessage response = await served.Client.SendAsync(request);
        return (int)response.StatusCode;
    }
}
