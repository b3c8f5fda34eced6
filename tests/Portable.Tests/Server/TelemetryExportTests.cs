using System.Collections.Concurrent;
using System.Net;
using System.Net.Sockets;
using System.Text;
using Portable.Cli.CommandLine;
using Portable.Cli.Verbs;

namespace Portable.Tests.Server;

/// <summary>Traces and metrics reach a collector, under OpenTelemetry's names for generative models.</summary>
[Collection("Server")]
public sealed class TelemetryExportTests(ServedModel served)
{
    [Fact]
    public async Task TracesAndMetricsReachACollector()
    {
        using HttpListener collector = new();
        string address = $"http://127.0.0.1:{FreePort()}";
        collector.Prefixes.Add(address + "/");
        collector.Start();
        ConcurrentDictionary<string, string> received = new();
        Task listening = Listen(collector, received);
        using (TelemetryExport export = TelemetryExport.Start(address)!)
        {
            await served.Post("/v1/chat/completions", """{"messages":[{"role":"user","content":"Hi"}],"max_tokens":3,"ignore_eos":true}""");
            await served.Post("/v1/completions", """{"prompt":"","max_tokens":"no number"}""");
        }

        collector.Stop();
        await listening;
        Assert.Equal(["/v1/metrics", "/v1/traces"], received.Keys.Order());
        foreach (string name in (string[])["chat tiny", "gen_ai.operation.name", "gen_ai.request.model", "gen_ai.provider.name", "gen_ai.usage.input_tokens", "gen_ai.usage.output_tokens", "gen_ai.response.finish_reasons", "error.type", "service.name"])
        {
            Assert.Contains(name, received["/v1/traces"], StringComparison.Ordinal);
        }

        foreach (string name in (string[])["gen_ai.server.request.duration", "gen_ai.server.time_to_first_token", "gen_ai.server.time_per_output_token", "gen_ai.client.token.usage", "gen_ai.token.type"])
        {
            Assert.Contains(name, received["/v1/metrics"], StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData("collector:4317")]
    [InlineData("ftp://collector")]
    [InlineData("")]
    public void WhatIsNoAddressIsRefused(string address) => Assert.Contains("--otlp", Assert.Throws<UsageException>(() => TelemetryExport.Start(address)).Message, StringComparison.Ordinal);

    // Protobuf keeps texts as they are.
    private static async Task Listen(HttpListener collector, ConcurrentDictionary<string, string> received)
    {
        while (true)
        {
            HttpListenerContext context;
            try
            {
                context = await collector.GetContextAsync();
            }
            catch (Exception e) when (e is HttpListenerException or ObjectDisposedException)
            {
                return;
            }

            using StreamReader reader = new(context.Request.InputStream, Encoding.Latin1);
            string body = await reader.ReadToEndAsync();
            received.AddOrUpdate(context.Request.Url!.AbsolutePath, body, (_, before) => before + body);
            context.Response.Close();
        }
    }

    private static int FreePort()
    {
        using TcpListener any = new(IPAddress.Loopback, 0);
        any.Start();
        return ((IPEndPoint)any.LocalEndpoint).Port;
    }
}
