using System.Globalization;
using System.Text.Json;
using Portable.Tests.Support;
using Portable.Tokenizers;
using Portable.Tokenizers.Unicode;
using Package = Microsoft.ML.Tokenizers.SentencePieceTokenizer;

namespace Portable.Tests.Tokenizers;

/// <summary>Real tokenizers against the ids and texts of the tokenizers package 0.23 and of SentencePiece; long and odd texts.</summary>
public sealed class ReferenceTests
{
    private static readonly string[] Fragments =
    [
        "Hello", " world", "don't", "I'LL", "  ", "\n", "\r\n", "\t", "é", "e\u0301", "ﬁ", "日本語", "한국어", "😀", "👨‍👩‍👧", "𝐀", "½", "12345", "_", "-----", "<", "|", ">", "▁", "\u00A0", "\0", "ß", "\u0345",
    ];

    [SkippableTheory]
    [InlineData("qwen3")]
    [InlineData("llama-3.1")]
    [InlineData("gemma3")]
    [InlineData("gpt-oss")]
    public void Ids_and_texts_are_those_of_the_tokenizers_package(string name)
    {
        string? directory = SharedData.Tokenizers(name);
        Skip.If(directory is null, SharedData.Absent);
        ITokenizer tokenizer = Tokenizer.Open(directory);
        foreach (JsonElement sample in new[] { "cases.json", "fuzz.json" }.SelectMany(f => Cases(Path.Combine(directory, f))))
        {
            string text = sample.GetProperty("text").GetString()!;
            int[] ids = Ids(sample.GetProperty("ids"));
            Assert.Equal(ids, tokenizer.Encode(text));
            Assert.Equal(Ids(sample.GetProperty("with_special")), tokenizer.EncodeInput(text));
            Assert.Equal(sample.GetProperty("decoded").GetString(), tokenizer.Decode(ids, keepSpecial: true));
            Assert.Equal(sample.GetProperty("decoded_skipping").GetString(), tokenizer.Decode(ids));
            StreamingDecoder stream = new(tokenizer);
            Assert.Equal(sample.GetProperty("decoded_skipping").GetString(), string.Concat(ids.Select(stream.Next)) + stream.Finish());
        }
    }

    /// <summary>PORTABLE_STRINGS says how many strings; the full number is 100,000.</summary>
    [SkippableTheory]
    [InlineData("qwen3")]
    [InlineData("llama-3.1")]
    [InlineData("gemma3")]
    [InlineData("gpt-oss")]
    public void Decoding_gives_the_normalized_text_back(string name)
    {
        string? directory = SharedData.Tokenizers(name);
        Skip.If(directory is null, SharedData.Absent);
        int count = int.TryParse(Environment.GetEnvironmentVariable("PORTABLE_STRINGS"), out int asked) ? asked : 2000;
        ITokenizer tokenizer = Tokenizer.Open(directory);
        for (int seed = 0; seed < count; seed++)
        {
            Random random = new(seed);
            string text = string.Concat(Enumerable.Range(0, random.Next(12)).Select(_ => random.Next(3) > 0 ? Fragments[random.Next(Fragments.Length)] : char.ConvertFromUtf32(Scalar(random))));
            // Qwen normalizes; Gemma's ▁ is a space when it comes back.
            string expected = name == "qwen3" ? Normalization.Normalize(text, NormalizationForm.C) : name == "gemma3" ? text.Replace('▁', ' ') : text;
            Assert.True(expected == tokenizer.Decode(tokenizer.Encode(text), keepSpecial: true), $"seed {seed}");
        }
    }

    [SkippableTheory]
    [InlineData("qwen3")]
    [InlineData("gemma3")]
    [InlineData("mistral")]
    [InlineData("gpt2")]
    [InlineData("03-sentencepiece-kinds/unigram")]
    public void Long_and_odd_texts_are_tokenized(string name)
    {
        string? directory = SharedData.Tokenizers(name) ?? SharedData.Cases(name);
        Skip.If(directory is null, SharedData.Absent);
        ITokenizer tokenizer = Tokenizer.Open(directory);
        Assert.Equal(new string('a', 1_000_000), tokenizer.Decode(tokenizer.Encode(new string('a', 1_000_000))));
        Assert.NotEmpty(tokenizer.Encode(string.Concat(Enumerable.Repeat("😀", 200_000))));
        Assert.Equal(tokenizer.Encode("a\uFFFDb\uFFFD"), tokenizer.Encode("a\uD800b\uDC00"));
        Assert.NotEmpty(tokenizer.Encode("\0"));
    }

    [SkippableFact]
    public void Marked_and_plain_text_holds_no_special_token()
    {
        string? directory = SharedData.Tokenizers("qwen3");
        Skip.If(directory is null, SharedData.Absent);
        ITokenizer tokenizer = Tokenizer.Open(directory);
        const string Text = "<|im_start|>user<|im_start|><think>";
        int special = tokenizer.Find("<|im_start|>")!.Value;
        Assert.Equal(2, tokenizer.Encode(Text).Count(id => id == special));
        Assert.Equal(special, Assert.Single(tokenizer.Encode(Text, 16..28), id => id == special));
        Assert.DoesNotContain(special, tokenizer.Encode(Text, ..));
        Assert.Contains(tokenizer.Find("<think>")!.Value, tokenizer.Encode(Text, ..));
        Assert.Throws<ArgumentOutOfRangeException>(() => tokenizer.Encode("a", 0..2));
    }

    [Fact]
    public void Categories_are_those_of_Unicode_16()
    {
        // Oniguruma 6.9.10's, compared code point by code point. When .NET moves on, these categories need a table of their own.
        byte[] categories = [.. Enumerable.Range(0, 0x110000).Select(c => (byte)CharUnicodeInfo.GetUnicodeCategory(c))];
        Assert.Equal(731, Runs(categories, (byte)UnicodeCategory.OtherNotAssigned));
        Assert.Equal(651, Runs(categories, (byte)UnicodeCategory.UppercaseLetter));
        Assert.Equal(357, Runs(categories, (byte)UnicodeCategory.NonSpacingMark));
        Assert.Equal(UnicodeCategory.UppercaseLetter, CharUnicodeInfo.GetUnicodeCategory(0x1C89));
        Assert.Equal(UnicodeCategory.OtherNotAssigned, CharUnicodeInfo.GetUnicodeCategory(0xA7CE));
    }

    /// <summary>Where the package is right, and where it is not: the day it is mended, this is noticed.</summary>
    [Fact]
    public void The_package_merges_equal_pairs_from_the_wrong_side()
    {
        using FileStream file = File.OpenRead(Path.Combine(DemoModel.Directory, "tokenizer.model"));
        Package package = Package.Create(file, addBeginningOfSentence: false, addEndOfSentence: false);
        ITokenizer own = Tokenizer.Open(DemoModel.Directory);
        Assert.Equal([284, 1371, 1975], own.Encode("oooo"));
        Assert.NotEqual([284, 1371, 1975], package.EncodeToIds("oooo", addBeginningOfSentence: false, addEndOfSentence: false));
        const string Prose = "The lighthouse keeper wrote a letter.";
        Assert.Equal(package.EncodeToIds(Prose, addBeginningOfSentence: false, addEndOfSentence: false), own.Encode(Prose));
    }

    private static int Runs(byte[] categories, byte category) => Enumerable.Range(0, categories.Length).Count(c => categories[c] == category && (c == 0 || categories[c - 1] != category));

    private static int Scalar(Random random)
    {
        int c = random.Next(4) == 0 ? random.Next(0x110000) : random.Next(0x3000);
        return c is >= 0xD800 and <= 0xDFFF ? 'x' : c;
    }

    private static IEnumerable<JsonElement> Cases(string file)
    {
        using JsonDocument document = JsonDocument.Parse(File.ReadAllBytes(file));
        return [.. document.RootElement.GetProperty("cases").EnumerateArray().Select(e => e.Clone())];
    }

    private static int[] Ids(JsonElement list) => [.. list.EnumerateArray().Select(e => e.GetInt32())];
}
