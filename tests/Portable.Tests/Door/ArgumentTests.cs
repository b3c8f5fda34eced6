using System.Text.Json;
using Portable.Reference.Quantization;
using Portable.Tests.Support;

namespace Portable.Tests.Door;

/// <summary>What is refused of arguments and properties: by an exception of their kind that has their own name, before anything runs.</summary>
public sealed class ArgumentTests
{
    private const string Template = """{"chat_template": "{% for m in messages %}<{{ m.role }}>{{ m.content }}{% endfor %}"}""";
    private static readonly Quantizer Sound = new() { Source = DemoModel.Directory, Method = QuantizationMethod.RoundToNearest, Scheme = QuantizationScheme.Parse("W8A8"), Output = "nowhere/at/all" };
    private static readonly Comparison Compared = new() { Reference = DemoModel.Directory, Models = [DemoModel.Directory], Text = "a" };

    public static TheoryData<string, Action> Nulls() => new()
    {
        { "Source", () => (Sound with { Source = null! }).Run() },
        { "Method", () => (Sound with { Method = null! }).Run() },
        { "Scheme", () => (Sound with { Scheme = null! }).Run() },
        { "Output", () => (Sound with { Output = null! }).Run() },
        { "Device", () => (Sound with { Device = null! }).Run() },
        { "Reference", () => (Compared with { Reference = null! }).Run() },
        { "Models", () => (Compared with { Models = null! }).Run() },
        { "Text", () => (Compared with { Text = null! }).Run() },
        { "Device", () => (Compared with { Device = null! }).Run() },
        { "option", () => QuantizationMethod.Gptq.With(null!, "1") },
        { "value", () => QuantizationMethod.Gptq.With("damping", null!) },
        { "name", () => QuantizationMethod.Parse(null!) },
        { "name", () => Device.Parse(null!) },
        { "text", () => QuantizationScheme.Parse(null!) },
        { "directory", () => LanguageModel.Open(null!) },
        { "device", () => LanguageModel.Open(DemoModel.Directory, null!) },
        { "options", () => LanguageModel.Open(DemoModel.Directory, Device.Cpu, null!) },
    };

    [Theory]
    [MemberData(nameof(Nulls))]
    public void NullIsRefusedByItsName(string name, Action act) => Assert.Equal(name, Assert.Throws<ArgumentNullException>(act).ParamName);

    public static TheoryData<string, Action> Ranges() => new()
    {
        { "CalibrationMemory", () => (Sound with { CalibrationMemory = -1 }).Run() },
        { "CalibrationWindows", () => (Sound with { CalibrationWindows = 0 }).Run() },
        { "CalibrationContext", () => (Sound with { CalibrationContext = 1 }).Run() },
        { "CalibrationText", () => (Sound with { CalibrationText = "a" }).Run() },
        { "Context", () => (Compared with { Context = 1 }).Run() },
        { "Windows", () => (Compared with { Windows = -1 }).Run() },
        { "Memory", () => (Compared with { Memory = -1 }).Run() },
        { "Skip", () => (Compared with { Skip = 511 }).Run() },
        { "Models", () => (Compared with { Models = [] }).Run() },
        { "Models", () => (Compared with { Models = [null!] }).Run() },
        { "Text", () => Compared.Run() },
        { "Context", () => LanguageModel.Open(DemoModel.Directory, Device.Cpu, new LanguageModelOptions { Context = -1 }) },
        { "Context", () => LanguageModel.Open(DemoModel.Directory, Device.Cpu, new LanguageModelOptions { Context = 1025 }) },
        { "Sequences", () => LanguageModel.Open(DemoModel.Directory, Device.Cpu, new LanguageModelOptions { Sequences = 0 }) },
        { "CacheTokens", () => LanguageModel.Open(DemoModel.Directory, Device.Cpu, new LanguageModelOptions { CacheTokens = -1 }) },
        { "CacheTokens", () => LanguageModel.Open(DemoModel.Directory, Device.Cpu, new LanguageModelOptions { Context = 256, CacheTokens = 255 }) },
    };

    [Theory]
    [MemberData(nameof(Ranges))]
    public void ARangeIsRefusedByItsName(string name, Action act) => Assert.Equal(name, Assert.ThrowsAny<ArgumentException>(act).ParamName);

    [Fact]
    public void OptionsOfATextAreRefusedByTheirNames()
    {
        using LanguageModel model = Open(DemoModel.Directory);
        foreach ((string name, GenerationOptions wrong) in new (string, GenerationOptions)[]
        {
            ("MaximumTokens", new() { MaximumTokens = 0 }),
            ("Temperature", new() { Temperature = -1 }),
            ("TopK", new() { TopK = -1 }),
            ("TopP", new() { TopP = 0 }),
            ("MinP", new() { MinP = 2 }),
            ("RepetitionPenalty", new() { RepetitionPenalty = 0 }),
            ("PresencePenalty", new() { PresencePenalty = double.NaN }),
            ("FrequencyPenalty", new() { FrequencyPenalty = double.NaN }),
            ("Choice", new() { Choice = -1 }),
            ("StopTexts", new() { StopTexts = [""] }),
            ("StopTexts", new() { StopTexts = [null!] }),
            ("StopTexts", new() { StopTexts = null! }),
            ("LogitBias", new() { LogitBias = new Dictionary<int, double> { [-1] = 1 } }),
            ("LogitBias", new() { LogitBias = new Dictionary<int, double> { [2048] = 1 } }),
            ("LogitBias", new() { LogitBias = null! }),
        })
        {
            Assert.Equal(name, Assert.ThrowsAny<ArgumentException>(() => model.Generate([1], wrong)).ParamName);
        }
    }

    [Fact]
    public void TextsAndIdsAreRefusedByTheirNames()
    {
        using LanguageModel model = Open(DemoModel.Directory);
        foreach ((string name, Action act) in new (string, Action)[]
        {
            ("prompt", () => model.Generate([])),
            ("prompt", () => model.Generate([1, 2048])),
            ("prompt", () => model.Generate([1, -1])),
            ("prompt", () => model.Generate(new int[256])),
            ("prompt", () => model.Generate((string)null!)),
            ("prompt", () => model.Generate((int[])null!)),
            ("text", () => model.Encode(null!)),
            ("text", () => model.Tokenizer.Encode(null!)),
            ("token", () => model.Tokenizer.Find(null!)),
            ("ids", () => model.Logits([])),
            ("ids", () => model.Logits([2048])),
            ("read", () => model.Logits([1], null!)),
            ("chunk", () => model.Logits([1], (_, _) => { }, -1)),
            ("text", () => model.Perplexity(null!)),
            ("text", () => model.Perplexity("a", 64)),
            ("context", () => model.Perplexity("a", 1)),
            ("windows", () => model.Perplexity(File.ReadAllText(DemoModel.Text), 64, -1)),
        })
        {
            Assert.Equal(name, Assert.ThrowsAny<ArgumentException>(act).ParamName);
        }
    }

    [Fact]
    public void ConversationsAreRefusedByTheirNames()
    {
        using ModelCopy copy = new(tokenizer: Template);
        using LanguageModel model = Open(copy.Directory);
        JsonElement no = JsonDocument.Parse("{}").RootElement, yes = JsonDocument.Parse("[]").RootElement;
        foreach ((string name, Action act) in new (string, Action)[]
        {
            ("messages", () => model.Chat(null!)),
            ("messages", () => model.Chat([])),
            ("messages", () => model.EncodeChat([])),
            ("messages", () => model.Chat([new("user", null!)])),
            ("messages", () => model.Chat([new(null!, "a")])),
            ("messages", () => model.Chat([new("user", string.Join(' ', Enumerable.Repeat("lighthouse", 300)))])),
            ("Tools", () => model.Chat([new("user", "a")], chat: new() { Tools = no })),
            ("Tools", () => model.Chat([new("user", "a")], chat: new() { Tools = default(JsonElement) })),
            ("Variables", () => model.EncodeChat([new("user", "a")], new() { Variables = null! })),
        })
        {
            Assert.Equal(name, Assert.ThrowsAny<ArgumentException>(act).ParamName);
        }

        Assert.Equal(model.EncodeChat([new("user", "a")]), model.EncodeChat([new("user", "a")], new() { Tools = yes }));
    }

    /// <summary>An empty text is a prompt where a begin token stands before it, and none where nothing does.</summary>
    [Fact]
    public void AnEmptyTextIsAPromptWhereATokenStandsBeforeIt()
    {
        using ModelCopy copy = new(tokenizer: """{"add_bos_token": false}""");
        using LanguageModel begins = Open(DemoModel.Directory), not = Open(copy.Directory);
        GenerationOptions few = new() { MaximumTokens = 5, IgnoreEnd = true };
        Assert.Equal(string.Concat(begins.Generate("", few)).TrimStart(), begins.Tokenizer.Decode([.. begins.Generate([1], few)]).TrimStart());
        Assert.Equal("prompt", Assert.Throws<ArgumentException>(() => not.Generate("", few)).ParamName);
    }

    /// <summary>The last token is not read, and needs no place.</summary>
    [Theory]
    [InlineData(1)]
    [InlineData(34)]
    [InlineData(255)]
    public void AContextIsFilledByWhatIsRead(int prompt)
    {
        using LanguageModel model = Open(DemoModel.Directory);
        Assert.Equal(256 - prompt + 1, model.Generate([.. Enumerable.Repeat(5, prompt)], new GenerationOptions { MaximumTokens = 10_000, IgnoreEnd = true }).Count());
    }

    [Fact]
    public void ATextCanBeCancelledBetweenTokens()
    {
        using LanguageModel model = Open(DemoModel.Directory);
        using CancellationTokenSource cancellation = new();
        using IEnumerator<string> text = model.Generate("The old", new GenerationOptions { IgnoreEnd = true }, cancellation.Token).GetEnumerator();
        Assert.True(text.MoveNext());
        cancellation.Cancel();
        Assert.Equal(cancellation.Token, Assert.Throws<OperationCanceledException>(() => text.MoveNext()).CancellationToken);
    }

    [Fact]
    public async Task WhatDoesNotHoldUpTheCallerIsTheSame()
    {
        string text = File.ReadAllText(DemoModel.Text);
        using LanguageModel model = await LanguageModel.OpenAsync(DemoModel.Directory);
        Assert.Equal(model.Perplexity(text, 64, 2).MeanNll, (await model.PerplexityAsync(text, 64, 2)).MeanNll);
        await Assert.ThrowsAsync<ArgumentNullException>(() => LanguageModel.OpenAsync(null!));
    }

    /// <summary>Command lines and clients have no such names.</summary>
    [Fact]
    public void MessagesHaveTheNameBehindThem()
    {
        ArgumentException refused = Assert.Throws<ArgumentException>(() => new GenerationOptions { TopP = 2 }.Validate());
        Assert.Equal("Top-p must be over 0 and at most 1, not 2.", refused.Plain());
        Assert.Equal("a", new ArgumentException("a").Plain());
    }

    private static LanguageModel Open(string directory) => LanguageModel.Open(directory, Device.Cpu, new LanguageModelOptions { Context = 256 });
}
