using System.Text;
using System.Text.Json;
using FsCheck.Xunit;
using Portable.Checkpoints;
using Portable.Tests.Support;
using Portable.Tokenizers;

namespace Portable.Tests.Tokenizers;

/// <summary>Tokenizers against ids from independent implementations, and round trips.</summary>
public sealed class TokenizerTests
{
    [SkippableTheory]
    [InlineData("tiny-llama")]
    [InlineData("small-llama")]
    public void Sentencepiece_ids_equal_the_independent_ones(string name)
    {
        string? model = SharedData.Models(name);
        Skip.If(model is null, SharedData.Absent);
        ITokenizer tokenizer = Tokenizer.Open(model);
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(model, "expected.json")));
        foreach (JsonElement sample in expected.RootElement.GetProperty("tokenizer").EnumerateArray())
        {
            string text = sample.GetProperty("text").GetString()!;
            int[] ids = sample.GetProperty("ids").EnumerateArray().Select(e => e.GetInt32()).ToArray();
            Assert.Equal(ids, tokenizer.Encode(text));
            Assert.Equal(text, tokenizer.Decode(ids));
        }
    }

    [SkippableFact]
    public void Gpt2_cases_are_exact()
    {
        string? directory = SharedData.Tokenizers("gpt2");
        Skip.If(directory is null, SharedData.Absent);
        ITokenizer tokenizer = Tokenizer.Open(directory);
        string[] texts = File.ReadAllText(Path.Combine(directory, "cases.inp")).Split("\n__ggml_vocab_test__\n");
        string[] answers = File.ReadAllText(Path.Combine(directory, "cases.out")).Split('\n');
        Assert.True(texts.Length > 20);
        for (int i = 0; i < texts.Length; i++)
        {
            int[] ids = answers[i].Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(int.Parse).ToArray();
            Assert.Equal(ids, tokenizer.Encode(texts[i]));
            Assert.Equal(texts[i], tokenizer.Decode(ids));
        }
    }

    [SkippableTheory]
    [InlineData("wikitext-2.test.txt", "wikitext2")]
    [InlineData("arxivqa.eval.txt", "arxivqa")]
    public void Opt_token_counts_equal_the_independent_ones(string file, string key)
    {
        string? model = SharedData.Models("tiny-opt"), text = SharedData.Text(file);
        Skip.If(model is null || text is null, SharedData.Absent);
        using JsonDocument expected = JsonDocument.Parse(File.ReadAllBytes(Path.Combine(model, "expected.json")));
        int count = Tokenizer.Open(model).Encode(File.ReadAllText(text)).Length;
        Assert.Equal(expected.RootElement.GetProperty("tokens").GetProperty(key).GetInt32(), count + 1);
    }

    [SkippableFact]
    public void The_mistral_vocabulary_opens_and_round_trips()
    {
        string? directory = SharedData.Tokenizers("mistral");
        Skip.If(directory is null, SharedData.Absent);
        ITokenizer tokenizer = Tokenizer.Open(directory);
        Assert.Equal(32000, tokenizer.VocabularySize);
        const string Text = "Grüße, 世界! def f(x):\n    return x ** 2";
        Assert.Equal(Text, tokenizer.Decode(tokenizer.Encode(Text)));
    }

    [Property(MaxTest = 200)]
    public void Byte_level_json_round_trips_any_text(string? text)
    {
        using TokenizerDirectory directory = new(ByteLevelJson);
        ITokenizer tokenizer = Tokenizer.Open(directory.Path);
        // Lone surrogates are no text: UTF-8 cannot hold them.
        text = Encoding.UTF8.GetString(Encoding.UTF8.GetBytes(text ?? ""));
        int[] ids = tokenizer.Encode(text);
        Assert.Equal(text, tokenizer.Decode(ids));
        StreamingDecoder decoder = new(tokenizer);
        Assert.Equal(text, string.Concat(ids.Select(decoder.Next)) + decoder.Finish());
    }

    /// <summary>Wherever a text is cut between tokens, what was certain before and what the rest adds are the whole.</summary>
    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void What_continues_tokens_is_what_they_lack(bool pieces)
    {
        using TokenizerDirectory? json = pieces ? null : new(MetaspaceJson);
        ITokenizer tokenizer = Tokenizer.Open(json?.Path ?? DemoModel.Directory);
        foreach (string text in (string[])[" a b  é b", "a é😀 b", "  a", "b a"])
        {
            int[] ids = tokenizer.EncodeInput(text);
            for (int cut = 0; cut <= ids.Length; cut++)
            {
                StreamingDecoder before = new(tokenizer), after = new(tokenizer, before: ids.AsSpan(0, cut));
                string certain = string.Concat(ids[..cut].Select(before.Next));
                Assert.Equal(tokenizer.Decode(ids), certain + string.Concat(ids[cut..].Select(after.Next)) + after.Finish());
            }
        }
    }

    [Fact]
    public void Json_merges_by_rank_not_by_position()
    {
        using TokenizerDirectory directory = new(ByteLevelJson);
        ITokenizer tokenizer = Tokenizer.Open(directory.Path);
        // Ranks: (b,c) before (a,b): "abc" is a + bc, "ab" is one token.
        Assert.Equal([(int)'a', 256], tokenizer.Encode("abc"));
        Assert.Equal([257], tokenizer.Encode("ab"));
        Assert.Equal([256, 256], tokenizer.Encode("bcbc"));
    }

    [Fact]
    public void Metaspace_json_falls_back_to_bytes()
    {
        using TokenizerDirectory directory = new(MetaspaceJson);
        ITokenizer tokenizer = Tokenizer.Open(directory.Path);
        Assert.Equal([3, 4], tokenizer.Encode("a b"));
        Assert.Equal([5, 6 + 0xC3, 6 + 0xA9], tokenizer.Encode("é"));
        Assert.Equal("a b", tokenizer.Decode(tokenizer.Encode("a b")));
        Assert.Equal("é", tokenizer.Decode(tokenizer.Encode("é")));
    }

    [Theory]
    [InlineData("{}")]
    [InlineData("not json")]
    [InlineData("""{"model":{"type":"Unigram","vocab":[]}}""")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0},"merges":[]},"pre_tokenizer":{"type":"BertPreTokenizer"}}""")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b c"]},"pre_tokenizer":{"type":"ByteLevel"}}""")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":0},"merges":["a b"]}}""")]
    [InlineData("""{"model":{"type":"BPE","vocab":{"a":-1},"merges":[]}}""")]
    public void A_pipeline_that_is_not_known_is_an_error_of_one_line(string json)
    {
        using TokenizerDirectory directory = new(json);
        CheckpointException error = Assert.Throws<CheckpointException>(() => Tokenizer.Open(directory.Path));
        Assert.Contains("tokenizer.json", error.Message, StringComparison.Ordinal);
        Assert.DoesNotContain('\n', error.Message);
    }

    [Theory]
    [InlineData("tokenizer.model", "garbage")]
    [InlineData("tokenizer.model", "")]
    [InlineData("vocab.json", "{\"a\":0}")]
    [InlineData("vocab.json", "[1]")]
    [InlineData("unrelated.txt", "")]
    public void Damaged_or_missing_files_are_errors_of_one_line(string file, string content)
    {
        using TokenizerDirectory directory = new(null);
        File.WriteAllText(Path.Combine(directory.Path, file), content);
        CheckpointException error = Assert.Throws<CheckpointException>(() => Tokenizer.Open(directory.Path));
        Assert.DoesNotContain('\n', error.Message);
        Assert.Contains(directory.Path, error.Message, StringComparison.Ordinal);
    }

    private static string ByteLevelJson
    {
        get
        {
            Dictionary<string, int> vocabulary = [];
            for (int i = 0; i < 256; i++)
            {
                vocabulary[Alphabet((byte)i)] = i;
            }

            vocabulary["bc"] = 256;
            vocabulary["ab"] = 257;
            return JsonSerializer.Serialize(new
            {
                model = new { type = "BPE", vocab = vocabulary, merges = new[] { "b c", "a b" } },
                pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false },
                decoder = new { type = "ByteLevel" },
            });
        }
    }

    private static string MetaspaceJson
    {
        get
        {
            Dictionary<string, int> vocabulary = new() { ["<unk>"] = 0, ["a"] = 1, ["b"] = 2, ["▁a"] = 3, ["▁b"] = 4, ["▁"] = 5 };
            for (int i = 0; i < 256; i++)
            {
                vocabulary[$"<0x{i:X2}>"] = 6 + i;
            }

            return JsonSerializer.Serialize(new
            {
                model = new { type = "BPE", byte_fallback = true, vocab = vocabulary, merges = new[] { "▁ a", "▁ b" } },
                normalizer = new { type = "Sequence", normalizers = new object[] { new { type = "Prepend", prepend = "▁" }, new { type = "Replace", pattern = new { String = " " }, content = "▁" } } },
                decoder = new
                {
                    type = "Sequence",
                    decoders = new object[] { new { type = "Replace", pattern = new { String = "▁" }, content = " " }, new { type = "ByteFallback" }, new { type = "Fuse" }, new { type = "Strip", content = " ", start = 1, stop = 0 } },
                },
            });
        }
    }

    // GPT-2's alphabet, from its description: printable Latin-1 as it is, the rest in order from U+0100.
    private static string Alphabet(byte value)
    {
        static bool Printable(int b) => b is (>= 33 and <= 126) or (>= 161 and <= 172) or (>= 174 and <= 255);
        return Printable(value) ? ((char)value).ToString() : ((char)(256 + Enumerable.Range(0, value).Count(b => !Printable(b)))).ToString();
    }

    private sealed class TokenizerDirectory : IDisposable
    {
        public TokenizerDirectory(string? json)
        {
            Path = Directory.CreateTempSubdirectory("portable-tokenizer-").FullName;
            if (json is not null)
            {
                File.WriteAllText(System.IO.Path.Combine(Path, "tokenizer.json"), json);
            }
        }

        public string Path { get; }

        public void Dispose() => Directory.Delete(Path, recursive: true);
    }
}
