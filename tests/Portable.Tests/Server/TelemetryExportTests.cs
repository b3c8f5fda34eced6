using System.Collections.Concurrent;
using System.Globalization;
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
        using TcpListener collector = new(IPAddress.Loopback, 0);
        collector.Start();
        string address = $"http://{collector.LocalEndpoint}";
        ConcurrentDictionary<string, string> received = new();
        Task listening = Task.Factory.StartNew(() => Listen(collector, received), CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
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

    // Sockets that block, on a thread of their own: exporters send the same way, and neither side waits for the pool that other tests keep
    // busy. Protobuf keeps texts as they are.
    private static void Listen(TcpListener collector, ConcurrentDictionary<string, string> received)
    {
        while (true)
        {
            TcpClient client;
            try
            {
                client = collector.AcceptTcpClient();
            }
            // Stopped while it waits, or between two.
            catch (Exception e) when (e is SocketException or InvalidOperationException)
            {
                return;
            }

            using (client)
            using (StreamReader reader = new(client.GetStream(), Encoding.Latin1))
            {
                // One that closes without asking asked for "".
                string path = reader.ReadLine()?.Split(' ')[1] ?? "";
                int length = 0;
                while (reader.ReadLine() is { Length: > 0 } header)
                {
                    if (header.StartsWith("Content-Length:", StringComparison.OrdinalIgnoreCase))
                    {
                        length = int.Parse(header.AsSpan(header.IndexOf(':', StringComparison.Ordinal) + 1), NumberStyles.AllowLeadingWhite, CultureInfo.InvariantCulture);
                    }
                }

                char[] body = new char[length];
                string text = new(body, 0, reader.ReadBlock(body));
                received.AddOrUpdate(path, text, (_, before) => before + text);
                client.GetStream().Write("HTTP/1.1 200 OK\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"u8);
            }
        }
    }
}
