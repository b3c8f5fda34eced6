using System.Text.Json;
using Portable.Evaluation;

namespace Portable.Tests.Server;

/// <summary>What comes over the wire is what the model gives alone.</summary>
[Collection("Server")]
public sealed class AnswerTests(ServedModel served)
{
    private static readonly GenerationOptions Few = new() { MaximumTokens = 12 };

    [Fact]
    public async Task TheModelIsListedWithItsFingerprint()
    {
        using HttpResponseMessage health = await served.Client.GetAsync("/health");
        Assert.Equal(200, (int)health.StatusCode);
        using JsonDocument models = JsonDocument.Parse(await served.Client.GetStringAsync("/v1/models"));
        JsonElement model = models.RootElement.GetProperty("data")[0];
        Assert.Equal(("tiny", 256), (model.GetProperty("id").GetString(), model.GetProperty("context_length").GetInt32()));
        Assert.Matches("^sha256:[0-9a-f]{64}$", model.GetProperty("system_fingerprint").GetString());
        Assert.Contains("portable_slots 4", await served.Client.GetStringAsync("/metrics"), StringComparison.Ordinal);
    }

    [Fact]
    public void AnUnquantizedModelHasNoFingerprintAndASourceOfTextHasItsOwn()
    {
        using LanguageModel exact = LanguageModel.Open(Support.DemoModel.Directory), same = Open(256), shorter = Open(128);
        Assert.Null(exact.Fingerprint);
        Assert.Equal(served.Model.Fingerprint, same.Fingerprint);
        Assert.NotEqual(served.Model.Fingerprint, shorter.Fingerprint);
        string copy = Path.Combine(served.Directory, "..", "other");
        System.IO.Directory.CreateDirectory(copy);
        foreach (string file in System.IO.Directory.EnumerateFiles(served.Directory))
        {
            File.Copy(file, Path.Combine(copy, Path.GetFileName(file)));
        }

        File.AppendAllText(Path.Combine(copy, "chat_template.jinja"), " ");
        using LanguageModel other = LanguageModel.Open(copy, Device.Cpu, new LanguageModelOptions { Context = 256 });
        Assert.NotEqual(served.Model.Fingerprint, other.Fingerprint);
    }

    [Fact]
    public async Task AChatIsThatOfTheModelWholeAndStreamed()
    {
        using LanguageModel alone = Open(256);
        string system = string.Join(' ', Enumerable.Repeat("Be brief.", 20));
        string expected = string.Concat(alone.Chat([ChatTurn.System(system), ChatTurn.User("Hello there")], Few));
        string messages = $$""" "messages":[{"role":"developer","content":"{{system}}"},{"role":"user","content":[{"type":"text","text":"Hello "},{"type":"text","text":"there"}]}],"max_completion_tokens":12 """;
        (int status, JsonElement whole) = await served.Post("/v1/chat/completions", $$"""{"model":"tiny",{{messages}}}""");
        Assert.Equal(200, status);
        JsonElement choice = whole.GetProperty("choices")[0];
        Assert.Equal(expected, choice.GetProperty("message").GetProperty("content").GetString());
        Assert.Equal("length", choice.GetProperty("finish_reason").GetString());
        Assert.Equal(served.Model.Fingerprint, whole.GetProperty("system_fingerprint").GetString());
        JsonElement usage = whole.GetProperty("usage");
        Assert.Equal(12, usage.GetProperty("completion_tokens").GetInt32());
        Assert.Equal(alone.EncodeChat([ChatTurn.System(system), ChatTurn.User("Hello there")]).Length, usage.GetProperty("prompt_tokens").GetInt32());

        JsonElement[] events = await Stream("/v1/chat/completions", $$"""{{{messages}},"stream":true,"stream_options":{"include_usage":true} }""");
        Assert.Equal(expected, string.Concat(events.Where(e => e.GetProperty("choices").GetArrayLength() > 0).Select(e => e.GetProperty("choices")[0].GetProperty("delta")).Select(d => d.TryGetProperty("content", out JsonElement c) ? c.GetString() : "")));
        Assert.Equal("length", events[^2].GetProperty("choices")[0].GetProperty("finish_reason").GetString());
        Assert.Equal(12, events[^1].GetProperty("usage").GetProperty("completion_tokens").GetInt32());
        Assert.True(events[^1].GetProperty("usage").GetProperty("prompt_tokens_details").GetProperty("cached_tokens").GetInt32() > 0);
    }

    [Fact]
    public async Task ACrowdOfRequestsGetsWhatEachGetsAlone()
    {
        using LanguageModel alone = Open(256);
        var texts = Enumerable.Range(0, 24).Select(i => (Prompt: $"{(i % 3 == 0 ? "The old lighthouse was" : "Once upon a time")} {i}", Tokens: 1 + (i * 5 % 30), Temperature: i % 2 == 0 ? 0 : 0.9, Seed: i)).ToArray();
        string[] answers = await Task.WhenAll(texts.Select(async t => (await served.Post("/v1/completions",
            FormattableString.Invariant($$"""{"prompt":"{{t.Prompt}}","max_tokens":{{t.Tokens}},"temperature":{{t.Temperature}},"seed":{{t.Seed}}}"""))).Json.GetProperty("choices")[0].GetProperty("text").GetString()!));
        Assert.Equal(texts.Select(t => string.Concat(alone.Generate(t.Prompt, new GenerationOptions { MaximumTokens = t.Tokens, Temperature = t.Temperature, Seed = t.Seed }))), answers);
    }

    [Fact]
    public async Task EchoGivesTheLikelihoodsOfThePromptsTokens()
    {
        using LanguageModel alone = Open(256);
        int[] ids = alone.Encode("The old lighthouse was");
        (int status, JsonElement json) = await served.Post("/v1/completions", """{"prompt":"The old lighthouse was","max_tokens":0,"echo":true,"logprobs":2}""");
        Assert.Equal(200, status);
        JsonElement logprobs = json.GetProperty("choices")[0].GetProperty("logprobs");
        Assert.Equal(ids.Length, logprobs.GetProperty("tokens").GetArrayLength());
        Assert.Equal(JsonValueKind.Null, logprobs.GetProperty("token_logprobs")[0].ValueKind);
        alone.Logits(ids, (position, logits) =>
        {
            for (int i = 0; i < ids.Length - 1; i++)
            {
                Assert.Equal(-CrossEntropy.Loss(logits.Slice(i * alone.VocabularySize, alone.VocabularySize), ids[i + 1]), logprobs.GetProperty("token_logprobs")[i + 1].GetDouble());
                Assert.InRange(logprobs.GetProperty("top_logprobs")[i + 1].EnumerateObject().Count(), 1, 2);
            }
        });
        Assert.Equal("The old lighthouse was", json.GetProperty("choices")[0].GetProperty("text").GetString());
    }

    /// <summary>Echoed or not, whole or streamed, an answer is what its tokens add to the prompt's text, and each token lies where it is said to.</summary>
    [Fact]
    public async Task AnAnswerGoesOnWithThePromptsText()
    {
        const string Prompt = "The old lighthouse was", Body = "\"prompt\":\"" + Prompt + "\",\"max_tokens\":9,\"ignore_eos\":true,\"logprobs\":0";
        using LanguageModel alone = Open(256);
        string whole = alone.Tokenizer.Decode([.. alone.Encode(Prompt), .. alone.Generate(alone.Encode(Prompt), new GenerationOptions { MaximumTokens = 9, IgnoreEnd = true })]);
        Assert.StartsWith(Prompt + " ", whole, StringComparison.Ordinal);
        JsonElement plain = (await served.Post("/v1/completions", $"{{{Body}}}")).Json.GetProperty("choices")[0], echoed = (await served.Post("/v1/completions", $"{{{Body},\"echo\":true}}")).Json.GetProperty("choices")[0];
        Assert.Equal(whole[Prompt.Length..], plain.GetProperty("text").GetString());
        Assert.Equal(whole, echoed.GetProperty("text").GetString());
        JsonElement[] events = await Stream("/v1/completions", $"{{{Body},\"stream\":true}}");
        Assert.Equal(whole[Prompt.Length..], string.Concat(events.Select(e => e.GetProperty("choices")[0].GetProperty("text").GetString())));
        foreach (JsonElement choice in (JsonElement[])[plain, echoed])
        {
            string text = choice.GetProperty("text").GetString()!;
            JsonElement logprobs = choice.GetProperty("logprobs");
            int[] offsets = [.. logprobs.GetProperty("text_offset").EnumerateArray().Select(o => o.GetInt32()), text.Length];
            string[] tokens = [.. logprobs.GetProperty("tokens").EnumerateArray().Select(t => t.GetString()!)];
            for (int i = 0; i < tokens.Length; i++)
            {
                string there = text[offsets[i]..offsets[i + 1]];
                // A special token has no text, and the first word no space in front.
                Assert.True(there == tokens[i] || there.Length == 0 || (offsets[i] == 0 && " " + there == tokens[i]), $"'{there}' is said to be '{tokens[i]}'");
            }
        }
    }

    [Fact]
    public async Task ChoicesDrawTheirOwnNumbersAndStopTextsEndThem()
    {
        using LanguageModel alone = Open(256);
        int[] prompt = alone.Encode("Once");
        string[] expected = [.. Enumerable.Range(0, 3).Select(i => string.Concat(alone.Generate("Once", new GenerationOptions { MaximumTokens = 9, Temperature = 1, Seed = 5, Choice = i, StopTexts = ["e"] })))];
        string ids = string.Join(',', prompt);
        (_, JsonElement json) = await served.Post("/v1/completions", $$"""{"prompt":[{{ids}}],"max_tokens":9,"temperature":1,"seed":5,"n":3,"stop":"e","logprobs":0}""");
        Assert.Equal(expected, json.GetProperty("choices").EnumerateArray().Select(c => c.GetProperty("text").GetString()!));
        JsonElement[] events = await Stream("/v1/completions", $$"""{"prompt":[{{ids}}],"max_tokens":9,"temperature":1,"seed":5,"n":3,"stop":"e","stream":true,"stream_options":{"include_usage":true} }""");
        Assert.Equal(expected, Enumerable.Range(0, 3).Select(i => string.Concat(events[..^1].Select(e => e.GetProperty("choices")[0]).Where(c => c.GetProperty("index").GetInt32() == i).Select(c => c.GetProperty("text").GetString()))));

        // A prompt counts once, however many answers it has.
        Assert.All([json, events[^1]], answer => Assert.Equal(prompt.Length, answer.GetProperty("usage").GetProperty("prompt_tokens").GetInt32()));
    }

    private LanguageModel Open(int context) => LanguageModel.Open(served.Directory, Device.Cpu, new LanguageModelOptions { Context = context });

    private async Task<JsonElement[]> Stream(string path, string body)
    {
        using HttpResponseMessage response = await served.Client.PostAsync(path, ServedModel.Body(body));
        string text = await response.Content.ReadAsStringAsync();
        Assert.Equal("text/event-stream", response.Content.Headers.ContentType!.MediaType);
        string[] lines = text.Split("\n\n", StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("data: [DONE]", lines[^1]);
        return [.. lines[..^1].Select(l => JsonDocument.Parse(l["data: ".Length..]).RootElement)];
    }
}
