using System.Text;
using System.Text.Json;
using System.Text.RegularExpressions;
using Microsoft.Extensions.AI;
using Microsoft.Extensions.DependencyInjection;
using Portable.Evaluation;
using Portable.Extensions.AI;
using Portable.Quantization.Runs;
using Portable.Reference.Quantization;
using Portable.Tests.Server;
using Portable.Tests.Support;

namespace Portable.Tests.Documentation;

/// <summary>docs/library.md: every block of code is below, word for word, and runs.</summary>
[Collection("Server")]
public sealed partial class LibraryPageTests(ServedModel served)
{
    [Fact]
    public void EveryBlockOfThePageIsHere()
    {
        string page = Read("docs", "library.md"), here = Plain(Read("tests", "Portable.Tests", "Documentation", "LibraryPageTests.cs"));
        string[] blocks = [.. Blocks().Matches(page).Select(m => Plain(m.Groups["code"].Value))];
        Assert.True(blocks.Length >= 12, "the page shows code");
        Assert.All(blocks, block => Assert.Contains(block, here, StringComparison.Ordinal));

        static string Read(params string[] path) => File.ReadAllText(Path.Combine([Repository.Root, .. path])).ReplaceLineEndings("\n");
        static string Plain(string code) => string.Join('\n', code.Split('\n').Select(l => l.Trim()).Where(l => l.Length > 0));
    }

    [Fact]
    public void Open()
    {
        string directory = served.Directory;
        using LanguageModel model = LanguageModel.Open(directory);
        Console.WriteLine($"{model.Context} positions on {model.DeviceName}");
        Assert.True(model.Context > 0);
    }

    [Fact]
    public void OpenWithOptions()
    {
        string directory = served.Directory;
        var options = new LanguageModelOptions { Context = 512, Sequences = 4, Messages = Console.Error.WriteLine };
        using LanguageModel model = LanguageModel.Open(directory, Device.Parse("cpu"), options);
        Assert.Equal((512, "cpu"), (model.Context, model.DeviceName));
    }

    [Fact]
    public async Task Continue()
    {
        string directory = served.Directory;
        StringBuilder text = new();
        CancellationToken cancellation = CancellationToken.None;
        using LanguageModel model = LanguageModel.Open(directory);
        foreach (string piece in model.Generate("The old lighthouse", new GenerationOptions { MaximumTokens = 20 }))
        {
            text.Append(piece);
        }

        Assert.StartsWith(" ", text.ToString(), StringComparison.Ordinal);
        text.Clear();
        var drawn = new GenerationOptions { Temperature = 0.8, TopP = 0.95, MinP = 0.02, Seed = 7, StopTexts = ["\n\n"], MaximumTokens = 20 };
        await foreach (string piece in model.GenerateAsync("The old lighthouse", drawn, cancellation))
        {
            text.Append(piece);
        }

        Assert.Equal(string.Concat(model.Generate("The old lighthouse", drawn)), text.ToString());
    }

    [Fact]
    public void Converse()
    {
        string directory = served.Directory;
        using LanguageModel model = LanguageModel.Open(directory);
        List<ChatTurn> history = [ChatTurn.System("Be brief."), ChatTurn.User("What is a lighthouse for?")];
        string answer = string.Concat(model.Chat(history, model.RecommendedOptions with { MaximumTokens = 30 }));
        history.Add(ChatTurn.Assistant(answer));
        history.Add(ChatTurn.User("And by day?"));

        var template = new ChatTemplateOptions { Variables = new Dictionary<string, JsonElement> { ["enable_thinking"] = JsonSerializer.SerializeToElement(false) } };
        int[] prompt = model.EncodeChat(history, template);
        Assert.NotEmpty(answer);
        Assert.NotEqual(prompt, model.EncodeChat(history));
    }

    [Fact]
    public async Task Client()
    {
        string directory = served.Directory;
        using LanguageModel model = LanguageModel.Open(directory);
        IChatClient client = model.AsIChatClient();
        ChatResponse response = await client.GetResponseAsync("What is a lighthouse for?", new ChatOptions { MaxOutputTokens = 30 });
        Console.WriteLine($"{response.Text} ({response.Usage?.OutputTokenCount} tokens)");
        Assert.NotEmpty(response.Text);

        AIFunction weather = AIFunctionFactory.Create((string city) => $"Sunny in {city}", "weather", "Tells the weather of a city");
        IChatClient agent = model.AsIChatClient().AsBuilder().UseFunctionInvocation().Build();
        ChatResponse told = await agent.GetResponseAsync("How is it in Oslo?", new ChatOptions { Tools = [weather], MaxOutputTokens = 30 });
        Assert.True(told.Usage!.InputTokenCount > response.Usage!.InputTokenCount);

        ChatResponse<Place> place = await client.GetResponseAsync<Place>("Name a lighthouse.", new ChatOptions { MaxOutputTokens = 200 });
        Assert.True(place.FinishReason == ChatFinishReason.Length || place.TryGetResult(out _));
    }

    [Fact]
    public async Task Container()
    {
        string directory = served.Directory;
        ServiceCollection services = new();
        services.AddPortable(directory, Device.Cpu, new LanguageModelOptions { Sequences = 4, Context = 512 });
        await using ServiceProvider provider = services.BuildServiceProvider();
        Assert.Equal(512, provider.GetRequiredService<IChatClient>().GetRequiredService<LanguageModel>().Context);
    }

    [Fact]
    public async Task ContainerOfSeveral()
    {
        string directory = served.Directory;
        ServiceCollection services = new();
        services.AddKeyedPortable("small", directory, options: new LanguageModelOptions { Context = 256 });
        services.AddKeyedChatClient("agent", provider => provider.GetRequiredKeyedService<LanguageModel>("small").AsIChatClient()).UseFunctionInvocation();
        await using ServiceProvider provider = services.BuildServiceProvider();
        IChatClient agent = provider.GetRequiredKeyedService<IChatClient>("agent");
        Assert.NotNull(agent.GetService<FunctionInvokingChatClient>());
        Assert.Same(provider.GetRequiredKeyedService<LanguageModel>("small"), agent.GetService<LanguageModel>());
    }

    [Fact]
    public void Measure()
    {
        string directory = served.Directory;
        string evaluation = File.ReadAllText(DemoModel.Text);
        using LanguageModel model = LanguageModel.Open(directory);
        PerplexityResult result = model.Perplexity(evaluation, context: 128, windows: 2);
        Console.WriteLine($"perplexity {result.Perplexity:F2} over {result.Predictions} predictions");
        float[] next = model.Logits(model.Encode("The old lighthouse"));
        Assert.Equal((254, model.VocabularySize), (result.Predictions, next.Length));
    }

    [Fact]
    public async Task Quantize()
    {
        CancellationToken cancellation = CancellationToken.None;
        string directory = DemoModel.Directory, output = System.IO.Directory.CreateTempSubdirectory("portable-page").FullName, calibration = File.ReadAllText(DemoModel.Text);
        var quantizer = new Quantizer
        {
            Source = directory,
            Output = output,
            Method = QuantizationMethod.Gptq,
            Scheme = QuantizationScheme.Parse("W4A8g32"),
            CalibrationText = calibration,
            CalibrationWindows = 4,
            CalibrationContext = 64,
        };
        QuantizationResult made = await quantizer.RunAsync(new Progress<QuantizationProgress>(p => Console.Error.WriteLine($"{p.Stage} {p.Done}/{p.Total} {p.Message}")), cancellation);
        Console.WriteLine($"{made.BytesBefore} bytes became {made.BytesAfter}");
        Assert.InRange(made.BytesAfter, 1, made.BytesBefore - 1);
        System.IO.Directory.Delete(output, recursive: true);
    }

    [GeneratedRegex("```csharp\n(?<code>.*?)```", RegexOptions.Singleline)]
    private static partial Regex Blocks();

    private sealed record Place(string Name, bool Lit);
}
