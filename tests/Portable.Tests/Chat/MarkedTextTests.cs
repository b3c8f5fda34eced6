using System.Text.Json;
using FsCheck.Xunit;
using Portable.Chat.Templates;

namespace Portable.Tests.Chat;

/// <summary>Whatever a template does with a text of a message, its characters stay marked and the template's own do not.</summary>
public sealed class MarkedTextTests
{
    private static readonly string[] Sources = ["messages[0].content", "messages[1]['name']", "messages[-1].content", "note", "tools[0].function.description", "messages|map(attribute='content')|join('-')", "messages[0].values()|list|last"];

    // Each keeps the private-use characters that it is given, or drops some.
    private static readonly string[] Steps =
    [
        "|trim", "|upper", "|lower", "|title", "|capitalize", "|replace('a', '<b>')", "|tojson", "|indent(2, true)", "|string", "|list|join('.')", "|reverse", "|center(40)", "|truncate(9, true)", "|default('none')", "|escape", "|wordcount|string",
        "[1:]", "[::-1]", "[:5]", ".strip()", ".split()|join('+')", ".split('\uE001')[-1]", ".partition('\uE002')[2]", ".replace('\uE000', 'x')", ".title()", ".splitlines()|join('|')", ".ljust(30)", ".removeprefix('\uE000')", ".rsplit(' ', 1)[0]",
        " ~ '<end>'", " + '</s>'", "|format", " * 2", ".expandtabs(4)", ".center(12, '*')", "|urlencode|replace('%', '\u00a7')",
    ];

    [Property(MaxTest = 400)]
    public void Characters_of_messages_stay_marked_and_others_unmarked(int seed)
    {
        Random random = new(seed);
        // Messages are written in private-use characters alone, templates in others: what a character is tells where it is from.
        string content = string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => random.Next(5) == 0 ? "\uE000 \uE001".Substring(random.Next(2), 2).Replace(' ', '\uE003') : ((char)(0xE000 + random.Next(8))).ToString()));
        string expression = Sources[random.Next(Sources.Length)];
        for (int i = random.Next(5); i > 0; i--)
        {
            expression = $"({expression}){Steps[random.Next(Steps.Length)]}";
        }

        string template = random.Next(4) switch
        {
            0 => $"<s>{{{{ {expression} }}}}</s>",
            1 => $"{{% set x %}}a{{{{ {expression} }}}}b{{% endset %}}{{{{ x|trim ~ '!' }}}}",
            2 => $"{{% macro m(t) %}}[{{{{ t }}}}{{{{ caller() }}}}]{{% endmacro %}}{{% call m({expression}) %}}c{{% endcall %}}",
            _ => $"{{% set ns = namespace(t='') %}}{{% for m in messages %}}{{% set ns.t = ns.t + '<' ~ {expression} + '>' %}}{{% endfor %}}{{{{ ns.t }}}}",
        };
        RenderedChat chat = TemplateCases.Render(template, content);
        bool[] marked = new bool[chat.Text.Length];
        foreach (Range range in chat.Marked)
        {
            marked.AsSpan()[range].Fill(true);
        }

        for (int i = 0; i < chat.Text.Length; i++)
        {
            bool fromMessage = chat.Text[i] is >= '\uE000' and <= '\uF8FF';
            // "Yes?" is a message's too, urlencode spells characters in others that stay marked, and counts and quotes are data.
            if (fromMessage || !template.Contains("urlencode", StringComparison.Ordinal))
            {
                Assert.True(fromMessage == marked[i] || (marked[i] && "Yes?YESyes0123456789\"".Contains(chat.Text[i], StringComparison.Ordinal)), $"{template} over {content}: '{chat.Text[i]}' at {i} of {chat.Text} is {(marked[i] ? "" : "not ")}marked");
            }
        }
    }

    [Fact]
    public void A_role_that_is_one_of_the_known_words_is_the_template_s()
    {
        // As templates do that write <|user|>: the role is the application's, not what somebody typed.
        RenderedChat chat = TemplateCases.Render("{% for m in messages %}{{ '<|' + m.role + '|>' + m.content }}{% endfor %}", "Hi <|user|>");
        Assert.Equal("<|user|>Hi <|user|><|assistant|>Yes?<|user|>Hi <|user|>", chat.Text);
        Assert.Equal(["Hi <|user|>", "Yes?", "Hi <|user|>"], chat.Marked.Select(r => chat.Text[r]));
    }

    [Theory]
    [InlineData("{{ '<|' ~ note ~ '|>' }}")]
    [InlineData("{{ '<|%s|>' % (note,) }}")]
    [InlineData("{{ '<|%r|>' % (note,) }}")]
    [InlineData("{{ '<|' + note|string|safe + '|>' }}")]
    [InlineData("{{ '<|' + note|tojson + '|>' }}")]
    [InlineData("{{ '<|' + note|tojson(indent=1) + '|>' }}")]
    [InlineData("{{ '<|' + note|pprint + '|>' }}")]
    [InlineData("{{ '<|{}|>'.format(note) }}")]
    [InlineData("<|{{ note }}|>")]
    [InlineData("<|{{ [note]|join }}|>")]
    public void No_token_is_put_together_from_numbers_or_brackets(string template)
    {
        foreach (string value in new[] { "5", "-1.5e300", "true", "null", "[]", "[[1, 2], {}]", "{\"a\": [\"b\"], \"role\": 3}", "\"im_end\"" })
        {
            RenderedChat chat = Of(template, value);
            Range inside = Assert.Single(chat.Marked);
            Assert.Equal((2, chat.Text.Length - 2), (inside.Start.Value, inside.End.Value));
        }
    }

    [Theory]
    [InlineData("{{ '%d' % note }}")]
    [InlineData("{{ '%+05.1f' % note }}")]
    [InlineData("{{ '%x' % note }}")]
    [InlineData("{{ '%c' % note }}")]
    [InlineData("{{ '{:,}'.format(note * 10 ** 6) }}")]
    [InlineData("{{ '{:e}'.format(note) }}")]
    [InlineData("{{ note|filesizeformat }}")]
    [InlineData("{{ note / 7 }}")]
    [InlineData("{{ note > 3 }}")]
    [InlineData("{{ range(note) }}")]
    public void What_is_made_of_a_number_is_marked(string template)
    {
        RenderedChat chat = Of(template, "60");
        Assert.Equal([0..chat.Text.Length], chat.Marked);
    }

    [Fact]
    public void What_a_message_formats_is_the_message_s()
    {
        RenderedChat chat = Of("{{ note.format('') }}{{ note % () }}{{ strftime_now(note) }}{{ note|striptags }}{{ note|indent }}", "\"{:<<3}%%-\\n\"");
        Assert.Single(chat.Marked);
    }

    private static RenderedChat Of(string template, string note)
    {
        ChatRequest request = TemplateCases.Request();
        return ChatTemplate.Parse(template).Render(request with { Variables = new Dictionary<string, JsonElement> { ["note"] = JsonDocument.Parse(note).RootElement } }, new Dictionary<string, string>());
    }

    [Fact]
    public void A_token_put_together_from_pieces_of_a_message_overlaps_marks()
    {
        RenderedChat chat = TemplateCases.Render("{{ '<|' + messages[0].content[0:6] + messages[0].content[6:] }}|>", "im_end");
        Assert.Equal("<|im_end|>", chat.Text);
        Assert.Equal([2..8], chat.Marked);
    }
}
