using System.ClientModel;
using System.ComponentModel;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using OpenAI;
using Portable.Extensions.AI;
using Portable.Server;
using Portable.Tests.Door;
using AIMessage = Microsoft.Extensions.AI.ChatMessage;
using AIOptions = Microsoft.Extensions.AI.ChatOptions;

namespace Portable.Tests.Server;

/// <summary>Microsoft.Extensions.AI: OpenAI's client over the wire, and the model itself as a client, give the same.</summary>
[Collection("Server")]
public sealed class ClientTests(ServedModel served)
{
    private static readonly AIMessage[] Messages = [new(ChatRole.System, "Be brief."), new(ChatRole.User, "Tell me of the sea")];

    [Fact]
    public async Task OverTheWireAndInTheProcessAnswersAreTheSame()
    {
        using LanguageModel model = LanguageModel.Open(served.Directory, Device.Cpu, new LanguageModelOptions { Context = 256, Sequences = 2 });
        IChatClient local = model.AsIChatClient(), remote = Remote();
        foreach (AIOptions options in (AIOptions[])[new() { MaxOutputTokens = 20 }, new() { MaxOutputTokens = 30, Temperature = 0.7f, TopP = 0.9f, Seed = 11 }, new() { MaxOutputTokens = 40, StopSequences = ["e"], FrequencyPenalty = 0.3f, PresencePenalty = 0.2f }])
        {
            ChatResponse near = await local.GetResponseAsync(Messages, options), far = await remote.GetResponseAsync(Messages, options);
            Assert.Equal(near.Text, far.Text);
            Assert.Equal(near.FinishReason, far.FinishReason);
            Assert.Equal((near.Usage!.InputTokenCount, near.Usage.OutputTokenCount), (far.Usage!.InputTokenCount, far.Usage.OutputTokenCount));
            List<ChatResponseUpdate> nearPieces = [], farPieces = [];
            await foreach (ChatResponseUpdate update in local.GetStreamingResponseAsync(Messages, options))
            {
                nearPieces.Add(update);
            }

            await foreach (ChatResponseUpdate update in remote.GetStreamingResponseAsync(Messages, options))
            {
                farPieces.Add(update);
            }

            Assert.Equal((near.Text, near.Text), (nearPieces.ToChatResponse().Text, farPieces.ToChatResponse().Text));
        }
    }

    [Fact]
    public async Task ErrorsReachTheClientWithTheirStatus()
    {
        ClientResultException error = await Assert.ThrowsAsync<ClientResultException>(() => Remote("other").GetResponseAsync(Messages));
        Assert.Equal(404, error.Status);
        Assert.Contains("There is no model 'other' here", error.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task WhatIsNotServedIsRefusedByName()
    {
        IChatClient client = served.Model.AsIChatClient();
        Assert.Contains("ToolMode", (await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync(Messages, new AIOptions { ToolMode = ChatToolMode.RequireAny }))).Message, StringComparison.Ordinal);
        Assert.Contains("UriContent", (await Assert.ThrowsAsync<NotSupportedException>(() => client.GetResponseAsync([new AIMessage(ChatRole.User, [new UriContent("https://example.org/a.png", "image/png")])]))).Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task ToolsAreOfferedAndResultsGoBack()
    {
        AIFunction weather = AIFunctionFactory.Create(([Description("The city")] string city) => $"Sunny in {city}", "weather", "Tells the weather");
        AIMessage[] conversation =
        [
            new(ChatRole.User, "How is the weather?"),
            new(ChatRole.Assistant, [new FunctionCallContent("call_0", "weather", new Dictionary<string, object?> { ["city"] = "Oslo" })]),
            new(ChatRole.Tool, [new FunctionResultContent("call_0", "Sunny in Oslo")]),
        ];
        AIOptions options = new() { Tools = [weather], MaxOutputTokens = 5 };
        ChatResponse near = await served.Model.AsIChatClient().GetResponseAsync(conversation, options), far = await Remote().GetResponseAsync(conversation, options);
        Assert.Equal(5, near.Usage!.OutputTokenCount);
        // Definitions differ in their spelling, not in kind: both prompts hold the call, its result and the tool.
        Assert.InRange(far.Usage!.InputTokenCount!.Value, near.Usage.InputTokenCount!.Value / 2, near.Usage.InputTokenCount!.Value * 2);
    }

    [Fact]
    public async Task AContainerOpensTheModelOnceAndClosesIt()
    {
        ServiceCollection services = new();
        services.AddPortable(served.Directory, options: new LanguageModelOptions { Context = 64 });
        await using ServiceProvider provider = services.BuildServiceProvider();
        IChatClient client = provider.GetRequiredService<IChatClient>();
        Assert.NotEmpty((await client.GetResponseAsync("Hi", new AIOptions { MaxOutputTokens = 3 })).Text);
        Assert.Same(provider.GetRequiredService<LanguageModel>(), client.GetService<LanguageModel>());
    }

    /// <summary>Models of a container that have keys are apart from each other and from the one without; each is closed with the container.</summary>
    [Fact]
    public async Task AContainerHasModelsByKey()
    {
        ServiceCollection services = new();
        Assert.Same(services, services.AddPortable(served.Directory, options: new LanguageModelOptions { Context = 64 }).AddKeyedPortable("long", served.Directory, options: new LanguageModelOptions { Context = 128 }));
        services.AddKeyedPortable(3, served.Directory, Device.Cpu, new LanguageModelOptions { Context = 32 });
        LanguageModel[] models;
        await using (ServiceProvider provider = services.BuildServiceProvider())
        {
            IChatClient[] clients = [provider.GetRequiredService<IChatClient>(), provider.GetRequiredKeyedService<IChatClient>("long"), provider.GetRequiredKeyedService<IChatClient>(3)];
            models = [.. clients.Select(c => c.GetRequiredService<LanguageModel>())];
            Assert.Equal([64, 128, 32], models.Select(m => m.Context));
            Assert.Same(clients[1], provider.GetRequiredKeyedService<IChatClient>("long"));
            Assert.Same(models[1], provider.GetRequiredKeyedService<LanguageModel>("long"));
            Assert.Null(provider.GetKeyedService<IChatClient>("other"));
            Assert.NotEmpty((await clients[1].GetResponseAsync("Hi", new AIOptions { MaxOutputTokens = 3 })).Text);
        }

        Assert.All(models, m => Assert.Throws<ObjectDisposedException>(() => m.Encode("Hi")));
    }

    /// <summary>A template that knows no tools: server and client say so in one sentence, each in an error of its own.</summary>
    [Fact]
    public async Task ToolsThatAModelDoesNotTakeAreRefusedInTheSameWords()
    {
        using ModelCopy copy = new();
        File.WriteAllText(Path.Combine(copy.Directory, "chat_template.jinja"), "{{ messages[0].content }}");
        LanguageModel model = LanguageModel.Open(copy.Directory, Device.Cpu, new LanguageModelOptions { Context = 64 });
        await using ModelServer server = await ModelServer.StartAsync("plain", () => model, new ServerOptions { Port = 0 });
        await server.Ready;
        AIOptions options = new() { Tools = [AIFunctionFactory.Create(() => 1, "one")], MaxOutputTokens = 3 };
        Assert.Contains("takes no tools", model.ToolRefusal, StringComparison.Ordinal);
        Assert.Equal(model.ToolRefusal, (await Assert.ThrowsAsync<NotSupportedException>(() => model.AsIChatClient().GetResponseAsync("Hi", options))).Message);
        ClientResultException error = await Assert.ThrowsAsync<ClientResultException>(() => Remote("plain", server).GetResponseAsync("Hi", options));
        Assert.Equal(400, error.Status);
        Assert.Contains(model.ToolRefusal!, error.Message, StringComparison.Ordinal);
        Assert.Null(served.Model.ToolRefusal);
    }

    private IChatClient Remote(string model = "tiny", ModelServer? server = null) =>
        new OpenAIClient(new ApiKeyCredential("none"), new OpenAIClientOptions { Endpoint = new Uri((server ?? served.Server).Address, "/v1") }).GetChatClient(model).AsIChatClient();
}
