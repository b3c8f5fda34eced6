using System.Text.Json;
using Microsoft.Extensions.AI;
using Portable.Extensions.AI;
using AIMessage = Microsoft.Extensions.AI.ChatMessage;
using AIOptions = Microsoft.Extensions.AI.ChatOptions;

namespace Portable.Tests.Server;

/// <summary>What a program may say through <see cref="IChatClient"/>: it is done, or refused by name.</summary>
[Collection("Server")]
public sealed class ClientOptionsTests(ServedModel served)
{
    private static readonly AIMessage[] Messages = [new(ChatRole.User, "Tell me of the sea")];

    private IChatClient Client => served.Model.AsIChatClient();

    public static TheoryData<string, AIOptions> Refused => new()
    {
        { "ConversationId", new AIOptions { ConversationId = "1" } },
        { "ModelId", new AIOptions { ModelId = "other" } },
        { "min_p", new AIOptions { AdditionalProperties = new() { ["min_p"] = "much" } } },
        { "ignore_eos", new AIOptions { AdditionalProperties = new() { ["ignore_eos"] = 1 } } },
        { "logit_bias", new AIOptions { AdditionalProperties = new() { ["logit_bias"] = new Dictionary<string, object?> { ["the"] = 1 } } } },
        { "handler", new AIOptions { AdditionalProperties = new() { ["handler"] = (Action)(() => { }) } } },
    };

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task WhatWouldChangeAnAnswerIsRefusedByName(string name, AIOptions options) =>
        Assert.Contains(name, (await Assert.ThrowsAsync<NotSupportedException>(() => Client.GetResponseAsync(Messages, options))).Message, StringComparison.Ordinal);

    [Theory]
    [InlineData(float.NaN)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(-1f)]
    public async Task ValuesOutOfRangeAreArguments(float value)
    {
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Client.GetResponseAsync(Messages, new AIOptions { Temperature = value }));
        await Assert.ThrowsAnyAsync<ArgumentException>(() => Client.GetResponseAsync(Messages, new AIOptions { TopP = value }));
    }

    [Fact]
    public async Task SamplingBeyondTheCommonOptionsIsTheDoors()
    {
        AIOptions asked = new()
        {
            Temperature = 0.9f,
            Seed = 5,
            RawRepresentationFactory = _ => new GenerationOptions { MaximumTokens = 12, Temperature = 7, TopK = 30 },
            AdditionalProperties = new() { ["min_p"] = 0.02, ["repetition_penalty"] = JsonDocument.Parse("1.3").RootElement, ["ignore_eos"] = true, ["logit_bias"] = new Dictionary<string, object?> { ["40"] = 3 } },
        };
        GenerationOptions same = new() { MaximumTokens = 12, Temperature = 0.9, TopK = 30, Seed = 5, MinP = 0.02, RepetitionPenalty = 1.3, IgnoreEnd = true, LogitBias = new Dictionary<int, double> { [40] = 3 } };
        using LanguageModel alone = LanguageModel.Open(served.Directory);
        ChatResponse response = await Client.GetResponseAsync(Messages, asked);
        Assert.Equal(12, response.Usage!.OutputTokenCount);
        Assert.Equal(string.Concat(alone.Chat([ChatTurn.User("Tell me of the sea")], same)), response.Text);
    }

    [Fact]
    public async Task VariablesReachTheTemplate()
    {
        int plain = await Prompt(new AIOptions()), told = await Prompt(new AIOptions { AdditionalProperties = new() { ["enable_thinking"] = false } });
        Assert.NotEqual(plain, told);
        Assert.Equal(told, await Prompt(new AIOptions { AdditionalProperties = new() { ["chat_template_kwargs"] = new Dictionary<string, object?> { ["enable_thinking"] = false } } }));
        Assert.Equal(told, await Prompt(new AIOptions { Reasoning = new ReasoningOptions { Effort = ReasoningEffort.None } }));
        Assert.Equal(plain, await Prompt(new AIOptions { Reasoning = new ReasoningOptions { Effort = ReasoningEffort.High } }));
        Assert.Equal(told, await Prompt(new AIOptions { RawRepresentationFactory = _ => new ChatTemplateOptions { Variables = new Dictionary<string, JsonElement> { ["enable_thinking"] = JsonSerializer.SerializeToElement(false) } } }));
        using LanguageModel alone = LanguageModel.Open(served.Directory);
        Assert.Equal(plain, alone.EncodeChat([ChatTurn.User("Tell me of the sea")]).Length);
    }

    [Fact]
    public async Task WhatIsForPeopleIsNoPartOfThePrompt()
    {
        int plain = await Prompt(new AIOptions());
        FunctionCallContent call = new("a", "weather");
        AIMessage[] noisy =
        [
            new(ChatRole.Assistant, [new ToolApprovalRequestContent("1", call), new ErrorContent("failed"), new TextReasoningContent("hm")]),
            new(ChatRole.User, [new ToolApprovalResponseContent("1", true, call)]),
            .. Messages,
        ];
        Assert.Equal(plain, (await Client.GetResponseAsync(noisy, new AIOptions { MaxOutputTokens = 1 })).Usage!.InputTokenCount);
    }

    [Fact]
    public async Task CallsOfAConversationHaveNamesOfTheirOwn()
    {
        using LanguageModel alone = LanguageModel.Open(served.Directory);
        IChatClient client = alone.AsIChatClient();
        int ran = 0;
        AIFunction function = AIFunctionFactory.Create((bool loud) => ++ran, "speak");
        AIOptions options = new() { Tools = [function], ToolMode = ChatToolMode.RequireAny, MaxOutputTokens = 80 };
        List<AIMessage> history = [new(ChatRole.User, "Speak")];
        List<string> ids = [];
        for (int turn = 0; turn < 3; turn++)
        {
            ChatResponse response = await client.GetResponseAsync(history, options);
            ChatResponse again = await client.GetResponseAsync(history, options);
            FunctionCallContent call = response.Messages[0].Contents.OfType<FunctionCallContent>().Single();
            Assert.Equal(call.CallId, again.Messages[0].Contents.OfType<FunctionCallContent>().Single().CallId);
            Assert.Matches("^[0-9a-z]{9}$", call.CallId);
            ids.Add(call.CallId);
            history.AddMessages(response);
            history.Add(new AIMessage(ChatRole.Tool, [new FunctionResultContent(call.CallId, await function.InvokeAsync(new AIFunctionArguments(call.Arguments)))]));
        }

        Assert.Equal((3, 3), (ids.Distinct().Count(), ran));
    }

    [Fact]
    public async Task WhoCancelsIsGivenNothingMore()
    {
        using CancellationTokenSource leaving = new();
        int given = 0;
        await Assert.ThrowsAnyAsync<OperationCanceledException>(async () =>
        {
            await foreach (ChatResponseUpdate _ in Client.GetStreamingResponseAsync(Messages, new AIOptions { MaxOutputTokens = 100, AdditionalProperties = new() { ["ignore_eos"] = true } }, leaving.Token))
            {
                if (++given == 2)
                {
                    // Until there is more to read.
                    await Task.Delay(200);
                    await leaving.CancelAsync();
                }
            }
        });
        Assert.Equal(2, given);
    }

    private async Task<int> Prompt(AIOptions options)
    {
        options.MaxOutputTokens = 1;
        return (int)(await Client.GetResponseAsync(Messages, options)).Usage!.InputTokenCount!;
    }
}
