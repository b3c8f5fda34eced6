using System.Text.Json;
using Portable.Checkpoints;
using Portable.Tokenizers;

namespace Portable.Tests.Tokenizers;

/// <summary>Normalization form C as tokenizers with an NFC step apply it; vectors of Unicode's NormalizationTest.txt.</summary>
public sealed class CanonicalCompositionTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("portable-nfc-").FullName;

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    [Theory]
    [InlineData("e\u0301", "\u00E9")]
    [InlineData("a", "a")]
    [InlineData("\u00E9", "\u00E9")]
    [InlineData("\u1E0A", "\u1E0A")]
    [InlineData("D\u0307\u0323", "\u1E0C\u0307")]
    [InlineData("\u1E0A\u0323", "\u1E0C\u0307")]
    [InlineData("\u1E14\u0304", "\u1E14\u0304")]
    [InlineData("\u05B8\u05B9\u05B1\u0591\u05C3\u05B0\u05AC\u059F", "\u05B1\u05B8\u05B9\u0591\u05C3\u05B0\u05AC\u059F")]
    [InlineData("\u212B", "\u00C5")]
    [InlineData("\u2126", "\u03A9")]
    [InlineData("\u0344", "\u0308\u0301")]
    [InlineData("\u0958", "\u0915\u093C")]
    [InlineData("\u09C7\u09BE", "\u09CB")]
    [InlineData("\u1100\u1161\u11A8", "\uAC01")]
    [InlineData("\uAC00\u11A8", "\uAC01")]
    [InlineData("\uAC01\u11A8", "\uAC01\u11A8")]
    [InlineData("\u1100\u0300\u1161", "\u1100\u0300\u1161")]
    [InlineData("\uF900", "\u8C48")]
    [InlineData("\U0002F800", "\u4E3D")]
    [InlineData("\U0001D157\U0001D165", "\U0001D157\U0001D165")]
    [InlineData("a\u0315\u0300\u05AE\u0300b", "\u00E0\u05AE\u0300\u0315b")]
    [InlineData("日本語 🙂", "日本語 🙂")]
    public void Text_is_brought_to_form_C(string text, string expected)
    {
        ITokenizer tokenizer = Open();
        Assert.Equal(expected, tokenizer.Decode(tokenizer.Encode(text)));
        Assert.Equal(tokenizer.Encode(expected), tokenizer.Encode(text));
    }

    [Theory]
    [InlineData("qwen2", false)]
    [InlineData("opt", true)]
    public void Vocabulary_and_merges_alone_serve_only_models_that_cut_words_as_gpt2(string type, bool serves)
    {
        File.WriteAllText(Path.Combine(_directory, "vocab.json"), """{"a": 0, "b": 1, "ab": 2}""");
        File.WriteAllText(Path.Combine(_directory, "merges.txt"), "#version: 0.2\na b\n");
        File.WriteAllText(Path.Combine(_directory, "config.json"), $$"""{"model_type": "{{type}}", "hidden_size": 4, "ffn_dim": 4, "intermediate_size": 4, "num_hidden_layers": 1, "num_attention_heads": 1, "num_key_value_heads": 1, "vocab_size": 3, "max_position_embeddings": 8}""");
        if (serves)
        {
            Assert.Equal([2, 0], Tokenizer.Open(_directory).Encode("aba"));
        }
        else
        {
            Assert.Contains("tokenizer.json", Assert.Throws<CheckpointException>(() => Tokenizer.Open(_directory)).Message, StringComparison.Ordinal);
        }
    }

    private ITokenizer Open()
    {
        // Every byte a token: ids show the bytes that the text was brought to.
        Dictionary<string, int> vocabulary = [];
        for (int value = 0, next = 256; value < 256; value++)
        {
            bool printable = value is (>= 33 and <= 126) or (>= 161 and <= 172) or (>= 174 and <= 255);
            vocabulary[((char)(printable ? value : next++)).ToString()] = value;
        }

        File.WriteAllText(Path.Combine(_directory, "tokenizer.json"), JsonSerializer.Serialize(new
        {
            normalizer = new { type = "NFC" },
            pre_tokenizer = new { type = "ByteLevel", add_prefix_space = false },
            decoder = new { type = "ByteLevel" },
            model = new { type = "BPE", vocab = vocabulary, merges = Array.Empty<string>() },
        }));
        return Tokenizer.Open(_directory);
    }
}
