using System.Text.Json;
using Portable.Chat.Templates;
using Portable.Tests.Support;
using Portable.Tokenizers.Files;

namespace Portable.Tests.Chat;

/// <summary>What templates give, beside jinja2 3.1.6 set up as transformers does (reference/vectors/README.md says how it was made).</summary>
public sealed class TemplateTests
{
    private static readonly JsonDocument Vectors = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(AppContext.BaseDirectory, "vectors", "jinja2.json")));

    [Fact]
    public void Nine_hundred_templates_give_what_jinja2_gives()
    {
        List<string> wrong = [];
        int seen = 0;
        foreach (JsonElement entry in Vectors.RootElement.GetProperty("cases").EnumerateArray())
        {
            string template = entry.GetProperty("template").GetString()!;
            string? expected = entry.GetProperty("text").GetString(), given = Try(template);
            seen++;
            if (given != expected)
            {
                wrong.Add($"{template}: {given ?? "an error"} instead of {expected ?? "an error"}");
            }
        }

        Assert.Empty(wrong);
        Assert.InRange(seen, 900, int.MaxValue);
    }

    [SkippableFact]
    public void Chats_of_the_real_templates_are_those_of_transformers()
    {
        int seen = 0;
        foreach (string name in (string[])["qwen3", "llama-3.1", "gemma3"])
        {
            string? directory = SharedData.Tokenizers(name);
            Skip.If(directory is null, SharedData.Absent);
            ChatTemplate template = ChatTemplateFiles.Read(directory).Select(null, tools: false);
            using JsonDocument cases = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(directory, "cases.json")));
            foreach (JsonElement chat in cases.RootElement.GetProperty("chats").EnumerateArray())
            {
                ChatRequest request = new(chat.GetProperty("messages"), Optional(chat.GetProperty("tools")), chat.GetProperty("add_generation_prompt").GetBoolean(), Variables(chat.GetProperty("variables")));
                if (chat.GetProperty("error").ValueKind == JsonValueKind.String)
                {
                    Assert.True(Assert.Throws<TemplateException>(() => template.Render(request, TokenizerConfig.Read(directory).Named)).IsRaised);
                }
                else
                {
                    Assert.Equal(chat.GetProperty("text").GetString(), template.Render(request, TokenizerConfig.Read(directory).Named).Text);
                }

                seen++;
            }
        }

        Assert.Equal(144, seen);
    }

    [Fact]
    public void The_clock_is_asked_for_local_time() =>
        Assert.Equal("26 Nov 2026|5|05", TemplateCases.Render("{{ strftime_now('%d %b %Y') }}|{{ strftime_now('%-H') }}|{{ strftime_now('%H') }}", clock: new Noon()).Text);

    [Fact]
    public void What_a_template_raises_is_told_from_what_fails()
    {
        TemplateException raised = Assert.Throws<TemplateException>(() => TemplateCases.Render("{{ raise_exception('Only one system message') }}"));
        Assert.True(raised.IsRaised);
        Assert.Equal("Only one system message", raised.Message);
        TemplateException failed = Assert.Throws<TemplateException>(() => TemplateCases.Render("a\nb{{ nothing.more }}"));
        Assert.False(failed.IsRaised);
        Assert.Equal((2, "'nothing' is undefined (line 2 of the template)"), (failed.Line, failed.Message));
    }

    private static string? Try(string template)
    {
        JsonElement root = Vectors.RootElement;
        try
        {
            ChatRequest request = new(root.GetProperty("messages"), root.GetProperty("tools"), true, Variables(root.GetProperty("variables")));
            return ChatTemplate.Parse(template).Render(request, new Dictionary<string, string> { ["bos_token"] = "<s>" }).Text;
        }
        catch (TemplateException)
        {
            return null;
        }
    }

    private static JsonElement? Optional(JsonElement element) => element.ValueKind == JsonValueKind.Null ? null : element;

    private static Dictionary<string, JsonElement> Variables(JsonElement element) => element.EnumerateObject().ToDictionary(p => p.Name, p => p.Value);

    private sealed class Noon : TimeProvider
    {
        public override TimeZoneInfo LocalTimeZone => TimeZoneInfo.CreateCustomTimeZone("west", TimeSpan.FromHours(-7), null, null);

        public override DateTimeOffset GetUtcNow() => new(2026, 11, 26, 12, 0, 0, TimeSpan.Zero);
    }
}
