using System.Text.Json;
using Portable.Cli;
using Portable.Cli.Output;
using Portable.Tests.Support;

namespace Portable.Tests.CommandLine;

public sealed class ServeVerbTests
{
    [Fact]
    public async Task AServerSaysWhereItListensAndStopsInGoodOrder()
    {
        using CancellationTokenSource stop = new();
        using Line output = new();
        using StringWriter error = new();
        Task<int> run = Task.Run(() => Tool.Invoke(["serve", DemoModel.Directory, "--port", "0", "--parallel", "2", "--context", "64", "--json"], output, error, interactive: false, stop.Token));
        Assert.Same(output.Flushed, await Task.WhenAny(output.Flushed, run));
        using JsonDocument report = JsonDocument.Parse(await output.Flushed);
        Assert.Equal(("tiny-llama", "cpu", 64, 2), (report.RootElement.GetProperty("model").GetString(), report.RootElement.GetProperty("device").GetString(), report.RootElement.GetProperty("context").GetInt32(), report.RootElement.GetProperty("parallel").GetInt32()));
        using HttpClient client = new() { BaseAddress = new Uri(report.RootElement.GetProperty("url").GetString()!) };
        Assert.Contains("\"ok\"", await client.GetStringAsync("/health"), StringComparison.Ordinal);
        Assert.Contains("unquantized", await client.GetStringAsync("/v1/models"), StringComparison.Ordinal);
        await stop.CancelAsync();
        Assert.Equal(0, await run);
        Assert.Contains("stopping", error.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("--host 0.0.0.0", "a key is needed (in PORTABLE_API_KEY, or --api-key-file)")]
    [InlineData("--host nowhere", "is no address")]
    [InlineData("--port 70000", "--port")]
    [InlineData("--parallel 0", "--parallel")]
    [InlineData("--cors example.org", "is no origin")]
    [InlineData("--api-key ", "not empty")]
    public void WhatMakesNoSenseIsBadUsage(string options, string said)
    {
        ToolRun run = ToolRun.Here(["serve", DemoModel.Directory, .. options.Split(' ')]);
        Assert.Equal(2, run.Code);
        Assert.Contains(said, Assert.Single(run.ErrorLines), StringComparison.Ordinal);
    }

    /// <summary>Words of the user's are no reason to speak of keys.</summary>
    [Fact]
    public void WhereAKeyIsGivenIsSaidWhereOneIsNeeded() =>
        Assert.DoesNotContain("--api-key-file", Assert.Single(ToolRun.Here("serve", DemoModel.Directory, "--host", "a key is needed").ErrorLines), StringComparison.Ordinal);

    [Fact]
    public void AContextThatTheModelDoesNotTakeIsToldBeforeTheServerListens()
    {
        ToolRun run = ToolRun.Here("serve", DemoModel.Directory, "--port", "0", "--context", "5000");
        Assert.Equal(1, run.Code);
        Assert.Contains("--context 5,000 is more than the model takes", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
    }

    /// <summary>Clients are all that a server needs.</summary>
    [Fact]
    public async Task AServerWhoseOutputIsClosedGoesOn()
    {
        using CancellationTokenSource stop = new();
        using ClosedOutput output = new();
        using Said error = new("the server goes on");
        Task<int> run = Task.Run(() => Tool.Invoke(["serve", DemoModel.Directory, "--port", "0", "--context", "64"], output, error, interactive: false, stop.Token));
        Assert.Same(error.Heard, await Task.WhenAny(error.Heard, run));
        string address = error.ToString().Split("listening on ")[1].Split('\n')[0].Trim();
        using HttpClient client = new() { BaseAddress = new Uri(address) };
        Assert.Contains("\"ok\"", await client.GetStringAsync("/health"), StringComparison.Ordinal);
        await stop.CancelAsync();
        Assert.Equal(0, await run);
    }

    [Theory]
    [InlineData("--parallel", "2000000000")]
    [InlineData("--parallel", "2000000000", "--context", "512")]
    public void TextsThatNoMemoryHoldsAreRefusedBeforeTheServerListens(params string[] options)
    {
        ToolRun run = ToolRun.Here(["serve", DemoModel.Directory, "--port", "0", .. options]);
        Assert.Equal(1, run.Code);
        Assert.Contains("2,000,000,000 texts at once take ", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public void AModelThatIsNotThereIsAnError()
    {
        ToolRun run = ToolRun.Here("serve", "/nowhere", "--port", "0");
        Assert.Equal(1, run.Code);
        Assert.Contains("/nowhere", run.Error, StringComparison.Ordinal);
    }

    /// <summary>Tells when a text has been written.</summary>
    private sealed class Said(string text) : StringWriter
    {
        private readonly TaskCompletionSource _heard = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Heard => _heard.Task;

        public override void WriteLine(string? value)
        {
            base.WriteLine(value);
            if (value?.Contains(text, StringComparison.Ordinal) == true)
            {
                _heard.TrySetResult();
            }
        }
    }

    /// <summary>What has been written when it is flushed first.</summary>
    private sealed class Line : StringWriter
    {
        private readonly TaskCompletionSource<string> _flushed = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task<string> Flushed => _flushed.Task;

        public override void Flush() => _flushed.TrySetResult(ToString());
    }
}
