using System.Globalization;
using System.Net;
using System.Text;
using System.Text.Json;
using Portable.Tests.Fuzz;

namespace Portable.Tests.Server;

/// <summary>Spoilt requests: <c>PORTABLE_FUZZ_CASES</c> of them (100,000 for a long run), from the seed <c>PORTABLE_FUZZ_SEED</c>.</summary>
[Collection("Server")]
public sealed class ServerFuzzTests(ServedModel served)
{
    private const string Chat = "/v1/chat/completions", Text = "/v1/completions", Hello = "\"messages\":[{\"role\":\"user\",\"content\":\"Hi\"}]";
    private static readonly int Cases = Setting("PORTABLE_FUZZ_CASES", 400), First = Setting("PORTABLE_FUZZ_SEED", 7);

    [Fact]
    public async Task WhateverIsSentTheAnswerIsOneOfTheProtocol()
    {
        string[] seeds =
        [
            "{" + Hello + ",\"max_tokens\":2,\"temperature\":0.5,\"seed\":3,\"stop\":[\"a\"],\"logit_bias\":{\"5\":1},\"logprobs\":true,\"top_logprobs\":2}",
            "{\"messages\":[{\"role\":\"assistant\",\"content\":null,\"tool_calls\":[{\"id\":\"1\",\"type\":\"function\",\"function\":{\"name\":\"f\",\"arguments\":\"{}\"}}]},{\"role\":\"tool\",\"tool_call_id\":\"1\",\"content\":\"x\"}],\"tools\":[{\"type\":\"function\",\"function\":{\"name\":\"f\",\"parameters\":{}}}],\"max_tokens\":2}",
            "{\"instructions\":\"a\",\"input\":[{\"role\":\"user\",\"content\":\"Hi\"},{\"type\":\"function_call\",\"call_id\":\"1\",\"name\":\"f\",\"arguments\":\"{}\"},{\"type\":\"function_call_output\",\"call_id\":\"1\",\"output\":\"x\"}],\"max_output_tokens\":2,\"text\":{\"format\":{\"type\":\"json_object\"}},\"stream\":true}",
            "{" + Hello + ",\"max_tokens\":3,\"response_format\":{\"type\":\"json_schema\",\"json_schema\":{\"name\":\"a\",\"schema\":{\"allOf\":[{\"properties\":{\"a\":{\"type\":\"number\",\"minimum\":-1.5,\"exclusiveMaximum\":30}}},{\"properties\":{\"b\":{\"type\":\"string\",\"format\":\"date\"},\"c\":{\"prefixItems\":[{\"$ref\":\"#\"}]}}}],\"$defs\":{}}}}}",
            "{\"prompt\":[[1,2],[3]],\"max_tokens\":1,\"echo\":true,\"logprobs\":1,\"n\":2,\"stream\":true}",
        ];
        Mutation mutation = new(First);
        for (int i = 0; i < Cases; i++)
        {
            byte[] body = i % 3 == 0 ? mutation.Json(Encoding.UTF8.GetBytes(seeds[i % seeds.Length])) : mutation.Bytes(Encoding.UTF8.GetBytes(seeds[i % seeds.Length]));
            using ByteArrayContent content = new(body);
            content.Headers.ContentType = new("application/json");
            using HttpResponseMessage response = await served.Client.PostAsync(new[] { Chat, Chat, "/v1/responses", Text }[(i + (i / 7)) % 4], content);
            string text = await response.Content.ReadAsStringAsync();
            Assert.True((int)response.StatusCode is 200 or (>= 400 and < 500), $"{(int)response.StatusCode} {text} for {Convert.ToBase64String(body)}");
            if (response.StatusCode != HttpStatusCode.OK)
            {
                Assert.NotEmpty(JsonDocument.Parse(text).RootElement.GetProperty("error").GetProperty("message").GetString()!);
            }
        }
    }

    private static int Setting(string name, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : otherwise;
}
