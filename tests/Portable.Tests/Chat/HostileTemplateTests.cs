using FsCheck.Xunit;
using Portable.Chat.Templates;

namespace Portable.Tests.Chat;

/// <summary>Templates written to hang, crash or fill a machine end in one error.</summary>
public sealed class HostileTemplateTests
{
    private const int Many = 100_000;

    public static TheoryData<string> Templates() => new(
        "{% for i in range(100000) %}{% for j in range(100000) %}x{% endfor %}{% endfor %}",
        "{{ 'x' * 1000000000 }}",
        "{{ [0] * 1000000000 }}",
        "{{ 'x'.ljust(1000000000) }}",
        "{{ '%1000000000d' % 1 }}",
        "{{ '%.1000000000f' % 1 ~ '%*d' % (1000000000, 1) }}",
        "{{ '{:>1000000000}'.format(1) }}",
        "{{ 2 ** 1000000000 }}",
        "{{ (2 ** 4000) * (2 ** 9000) * (2 ** 9000) }}",
        "{{ range(1000000000) }}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s='x') %}{% for i in range(60) %}{% set ns.s = ns.s ~ ns.s %}{% endfor %}",
        "{% set ns = namespace(s=[1]) %}{% for i in range(60) %}{% set ns.s = ns.s + ns.s %}{% endfor %}",
        "{% set ns = namespace(s=[1], t=[1]) %}{% for i in range(60) %}{% set ns.s = [ns.s, ns.s] %}{% set ns.t = [ns.t, ns.t] %}{% endfor %}{{ ns.s == ns.t }}",
        "{% set ns = namespace(s=1) %}{% for i in range(90000) %}{% set ns.s = {'a': ns.s} %}{% endfor %}{{ ns.s|tojson }}",
        "{% set ns = namespace() %}{% set ns.a = ns %}{{ ns }}",
        "{% macro a() %}{{ a() }}{% endmacro %}{{ a() }}",
        "{% macro a(n) %}{{ a(n) }}{{ a(n) }}{% endmacro %}{{ a(1) }}",
        "{% for x in [1] recursive %}{{ loop([1]) }}{% endfor %}",
        "{{ ''.__class__.__mro__[1].__subclasses__() }}",
        "{{ cycler.__init__.__globals__ }}",
        "{{ messages.append(1) }}",
        "{{ messages[0].update({'a': 1}) }}",
        "{{ '{0.__class__}'.format(1) }}",
        "{{ ('a'*1000000)|replace('a', 'b'*1000) }}",
        "{{ 'aaaaaaaaaa'|replace('', 'b'*10000000) }}",
        "{{ ('a'*1000000)|list|join('x'*1000) }}",
        "{{ ('x\\n'*1000000)|indent(1000) }}",
        "{{ range(10)|batch(1000000000, 1)|list }}",
        "{{ range(10)|slice(1000000000)|list }}",
        "{{ ('\\t'*100000).expandtabs(100000) }}",
        "{{ [1]|tojson(indent=1000000000) }}",
        "{% for i in range(100000) %}{{ 'x' * 10000 }}{% endfor %}",
        "{{ 1" + new string('0', Many) + " }}",
        "{{ " + new string('(', Many) + "1" + new string(')', Many) + " }}",
        "{{ " + new string('[', Many) + new string(']', Many) + " }}",
        "{{ " + new string('-', Many) + "1 }}",
        "{{ " + Repeat("not ") + "1 }}",
        "{{ 1" + Repeat("+1") + " }}",
        "{{ x" + Repeat(".a") + " }}",
        "{{ x" + Repeat("|trim") + " }}",
        "{{ x" + Repeat("[0]") + " }}",
        "{{ " + Repeat("1 if 1 else ") + "1 }}",
        "{{ 1 " + Repeat("if 1 ") + "}}",
        "{{ " + Repeat("a(") + Repeat(")") + " }}",
        Repeat("{% if 1 %}") + Repeat("{% endif %}"),
        "{% raw %}", "{#", "{{", "{%", "{{ 'abc", "{{ \"\\uZZZZ\" }}", "{% for %}", "{% endfor %}", "{{ '%c' % 11111111111 }}", "{{ '%' % 1 }}", "{% set x.y = 1 %}");

    [Theory]
    [MemberData(nameof(Templates))]
    public void A_hostile_template_ends_in_one_line(string template)
    {
        TemplateException failure = Assert.Throws<TemplateException>(() => TemplateCases.Render(template));
        Assert.DoesNotContain('\n', failure.Message);
        Assert.InRange(failure.Message.Length, 5, 300);
    }

    [Fact]
    public void What_a_template_may_not_reach_prints_as_nothing() => Assert.Equal("|", TemplateCases.Render("{{ ''.__class__ }}|{{ messages.append }}").Text);

    [Property(MaxTest = 1000)]
    public void A_mutated_template_renders_or_fails_in_one_line(int seed)
    {
        Random random = new(seed);
        char[] template = RealTemplate.ToCharArray();
        string alphabet = "{}%#-+'\"|.()[]:,=~ \n\\aif0";
        for (int i = 1 + random.Next(6); i > 0; i--)
        {
            template[random.Next(template.Length)] = alphabet[random.Next(alphabet.Length)];
        }

        int from = random.Next(template.Length), length = random.Next(3) == 0 ? random.Next(template.Length - from) : 0;
        string mutated = new string(template).Remove(from, length);
        try
        {
            TemplateCases.Render(mutated);
        }
        catch (TemplateException failure)
        {
            Assert.NotEmpty(failure.Message);
        }
    }

    private const string RealTemplate = """
        {%- macro turn(role, text='') %}{{ '<|im_start|>' + role + '\n' + text|trim + '<|im_end|>' }}{% endmacro %}
        {%- set ns = namespace(last=messages|length - 1, tool=false) %}
        {%- if tools %}{{ '# Tools\n' }}{% for t in tools %}{{ t.function | tojson(indent=2) }}{% for n, p in t.function.parameters.properties|items %}{{ '\n- ' ~ n ~ ': ' ~ p.type }}{% endfor %}{% endfor %}{%- endif %}
        {%- for m in messages[::-1] if m.role == 'user' and not (m.content.startswith('<x>') and m.content.endswith('</x>')) %}
            {%- set ns.last = (messages|length - 1) - loop.index0 %}
            {%- if loop.first %}{% continue %}{% endif %}
        {%- endfor %}
        {%- for m in messages %}
            {%- if '</think>' in m.content %}{% set parts = m.content.split('</think>') %}{{ turn(m.role, parts[-1].lstrip('\n')) }}
            {%- elif m.role in ['user', 'system'] or (m['role'] == "assistant" and m.name is defined and m.name is not none) %}
        {{ turn(m.role, m.content) }}{{ ', ' if not loop.last else '.' }}
            {%- else %}{{ raise_exception('Unknown role: ' ~ m.role) }}{% endif %}
        {%- endfor %}
        {#- the answer -#}
        {% if add_generation_prompt %}{{- '<|im_start|>assistant\n' }}{% endif %}
        """;

    private static string Repeat(string text) => string.Concat(Enumerable.Repeat(text, Many));
}
