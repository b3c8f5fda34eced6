using System.Net;
using System.Net.Sockets;
using System.Text;
using System.Text.Json;
using Portable.Server;

namespace Portable.Tests.Server;

/// <summary>What HTTP itself asks of a server: preflights of browsers, heads, bodies that stall.</summary>
[Collection("Server")]
public sealed class HttpTests(ServedModel served)
{
    private const string Friend = "https://friend.example";

    [Theory]
    [InlineData("authorization,content-type,x-stainless-os,x-stainless-retry-count", "Authorization, Content-Type, x-stainless-os, x-stainless-retry-count")]
    [InlineData("OpenAI-Beta, two words, a\"b, , x_1", "Authorization, Content-Type, OpenAI-Beta, x_1")]
    [InlineData(null, "Authorization, Content-Type")]
    public async Task AFriendsPageMaySendTheHeadersThatItAsksFor(string? asked, string allowed)
    {
        await using ModelServer server = await served.Start(new ServerOptions { Origins = [Friend] });
        await server.Ready;
        using HttpRequestMessage ask = new(HttpMethod.Options, new Uri(server.Address, "/v1/chat/completions"));
        ask.Headers.Add("Origin", Friend);
        ask.Headers.Add("Access-Control-Request-Method", "POST");
        if (asked is not null)
        {
            ask.Headers.TryAddWithoutValidation("Access-Control-Request-Headers", asked);
        }

        using HttpResponseMessage may = await served.Client.SendAsync(ask);
        Assert.Equal(HttpStatusCode.NoContent, may.StatusCode);
        Assert.Equal(allowed, string.Join(", ", may.Headers.GetValues("Access-Control-Allow-Headers")));
        Assert.Equal(["Origin", "Access-Control-Request-Headers"], Vary(may));

        using HttpResponseMessage plain = await served.Client.GetAsync(new Uri(server.Address, "/v1/models"));
        Assert.Equal((HttpStatusCode.OK, "Origin"), (plain.StatusCode, Assert.Single(Vary(plain))));

        using HttpRequestMessage stranger = new(HttpMethod.Options, ask.RequestUri);
        stranger.Headers.Add("Origin", "https://stranger.example");
        using HttpResponseMessage not = await served.Client.SendAsync(stranger);
        Assert.Equal((HttpStatusCode.Forbidden, "Origin"), (not.StatusCode, Assert.Single(Vary(not))));
        Assert.False(not.Headers.Contains("Access-Control-Allow-Origin"));
    }

    [Theory]
    [InlineData("/")]
    [InlineData("/health")]
    [InlineData("/metrics")]
    [InlineData("/v1/models")]
    [InlineData("/v1/models/tiny")]
    [InlineData("/v1/models/other")]
    public async Task AHeadIsAsOfTheAnswerAndHasNoBody(string path)
    {
        using HttpResponseMessage get = await served.Client.GetAsync(path);
        using HttpRequestMessage ask = new(HttpMethod.Head, path);
        using HttpResponseMessage head = await served.Client.SendAsync(ask);
        Assert.Equal((get.StatusCode, get.Content.Headers.ContentType), (head.StatusCode, head.Content.Headers.ContentType));
        Assert.Empty(await head.Content.ReadAsByteArrayAsync());
        Assert.NotEmpty(await get.Content.ReadAsByteArrayAsync());
    }

    [Fact]
    public async Task ABodyThatStallsIsAnsweredWithItsStatusAndTheConnectionEnds()
    {
        using TcpClient client = new();
        await client.ConnectAsync(IPAddress.Loopback, served.Server.Address.Port);
        NetworkStream stream = client.GetStream();
        await stream.WriteAsync(Encoding.ASCII.GetBytes("POST /v1/completions HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\nContent-Length: 100\r\n\r\n{"));

        // To the end: the server closes it.
        using StreamReader reader = new(stream);
        string answer = await reader.ReadToEndAsync().WaitAsync(TimeSpan.FromMinutes(2));
        Assert.StartsWith("HTTP/1.1 408 ", answer, StringComparison.Ordinal);
        Assert.Contains("\r\nConnection: close\r\n", answer, StringComparison.Ordinal);
        Assert.Contains("\"type\":\"timeout_error\"", answer, StringComparison.Ordinal);
        Assert.Contains("\"code\":\"request_timeout\"", answer, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("/v1/completions", "prompt")]
    [InlineData("/v1/responses", "input")]
    [InlineData("/v1/chat/completions", "messages")]
    public async Task ATextThatFillsTheContextIsNamedByTheFieldThatHoldsIt(string path, string parameter)
    {
        string words = string.Join(' ', Enumerable.Repeat("word", 400));
        (int status, JsonElement json) = await served.Post(path, parameter == "messages" ? $$"""{"messages":[{"role":"user","content":"{{words}}"}]}""" : $$"""{"{{parameter}}":"{{words}}"}""");
        JsonElement error = json.GetProperty("error");
        Assert.Equal((400, "context_length_exceeded", parameter), (status, error.GetProperty("code").GetString(), error.GetProperty("param").GetString()));
    }

    private static string[] Vary(HttpResponseMessage response) => [.. ((IEnumerable<string>)response.Headers.Vary).SelectMany(v => v.Split(',', StringSplitOptions.TrimEntries))];
}
