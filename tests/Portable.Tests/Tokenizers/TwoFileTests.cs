using System.Text.Json;
using Portable.Checkpoints;
using Portable.Checkpoints.Format;
using Portable.Models;
using Portable.Tests.Checkpoints;
using Portable.Tests.Support;
using Portable.Tokenizers;

namespace Portable.Tests.Tokenizers;

/// <summary>vocab.json and merges.txt: what is missing is refused and named, and byte order marks of a model's files change nothing.</summary>
public sealed class TwoFileTests : IDisposable
{
    private const string Words = "abcdefghijklmnopqrst";

    private readonly TinyCheckpoint _checkpoint = new("opt");

    public TwoFileTests()
    {
        // a, ab, abc, … each a merge of the one before, and what the files do not make: special tokens and fillings.
        Dictionary<string, int> vocabulary = [];
        foreach (string token in (IEnumerable<string>)["<s>", "<pad>", "</s>", .. Words.Select(c => c.ToString()), .. Enumerable.Range(2, Words.Length - 1).Select(n => Words[..n]), "madeupword0000", "madeupword0001", "madeupword0002"])
        {
            vocabulary.Add(token, vocabulary.Count);
        }

        Write("vocab.json", JsonSerializer.Serialize(vocabulary));
        WriteMerges(Words.Length - 1);
        Write("tokenizer_config.json", """{"add_bos_token": true, "bos_token": "<s>"}""");
        Write("special_tokens_map.json", """{"pad_token": "<pad>"}""");
        Write("added_tokens.json", """{"<extra>": 60}""");
        Write("generation_config.json", """{"do_sample": true, "temperature": 0.5, "eos_token_id": 3}""");
        Write("chat_template.jinja", "{{ messages[0].content }}");
    }

    public void Dispose() => _checkpoint.Dispose();

    [Fact]
    public void WordsAreMerged() => Assert.Equal([3 + (2 * Words.Length) - 2], Open().Encode(Words));

    [Theory]
    [InlineData("")]
    [InlineData("#version: 0.2\n")]
    [InlineData("#version: 0.2\na b\nab c\n")]
    public void MergesThatAreMissingAreRefused(string merges)
    {
        Write("merges.txt", merges);
        Refused("merges.txt", merges.Contains("a b", StringComparison.Ordinal) ? "'abcd' the first of them" : "no merge");
    }

    /// <summary>A list cut anywhere, be it before its last line, leaves tokens that nothing makes; words that nothing could make are no sign of that.</summary>
    [Fact]
    public void AListThatIsCutIsRefused()
    {
        for (int merges = 0; merges < Words.Length - 1; merges++)
        {
            WriteMerges(merges);
            Refused("merges.txt", merges == 0 ? "no merge" : merges == Words.Length - 2 ? $"the token '{Words}'" : $"'{Words[..(merges + 2)]}' the first of them");
        }

        WriteMerges(Words.Length - 1);
        Open();
    }

    [SkippableTheory]
    [InlineData("tokenizers", "gpt2")]
    [InlineData("models", "tiny-opt")]
    public void RealOnesAreRefusedCutAndTakenWhole(string kind, string name)
    {
        string? model = kind == "models" ? SharedData.Models(name) : SharedData.Tokenizers(name);
        Skip.If(model is null, SharedData.Absent);
        Tokenizer.Open(model);
        File.Copy(Path.Combine(model, "vocab.json"), At("vocab.json"), overwrite: true);
        string[] lines = File.ReadAllLines(Path.Combine(model, "merges.txt"));
        foreach (int left in (int[])[0, 1, 100, lines.Length / 2, lines.Length - 20, lines.Length - 1])
        {
            File.WriteAllLines(At("merges.txt"), lines[..left]);
            Refused("merges.txt", "merge");
        }
    }

    [Theory]
    [InlineData("")]
    [InlineData("{")]
    [InlineData("{}")]
    [InlineData("[]")]
    [InlineData("{\"a\": 0, \"b")]
    [InlineData("{\"a\": \"x\"}")]
    [InlineData("{\"a\": -1}")]
    public void AFaultOfTheVocabularyIsTheVocabularys(string json)
    {
        Write("vocab.json", json);
        Refused("vocab.json", "");
    }

    [Fact]
    public void ByteOrderMarksChangeNothing()
    {
        int[] ids = Open().EncodeInput(Words + " <s> <extra>");
        string before = Facts();
        string[] files = [.. Directory.EnumerateFiles(_checkpoint.Directory).Where(f => !f.EndsWith(".safetensors", StringComparison.Ordinal))];
        Assert.Equal(8, files.Length);
        foreach (string file in files)
        {
            File.WriteAllBytes(file, [0xEF, 0xBB, 0xBF, .. File.ReadAllBytes(file)]);
            Assert.Equal(ids, Open().EncodeInput(Words + " <s> <extra>"));
            Assert.Equal(before, Facts());
        }

        Assert.Equal(0, ToolRun.Here("logits", _checkpoint.Directory, "--ids", "1,2").Code);
        string chat = At("chat.messages");
        File.WriteAllText(chat, """[{"role": "user", "content": "abc"}]""");
        // A template is text that is fed: its mark is, too, as the reference implementation has it.
        Assert.Equal("\uFEFFabc", ToolRun.Here("render", _checkpoint.Directory, "--messages", chat, "--json").Json().GetProperty("text").GetString());
    }

    private string Facts()
    {
        using IModelSource source = Checkpoint.Open(_checkpoint.Directory);
        return FormattableString.Invariant($"{GenerationDefaults.Read(_checkpoint.Directory).Temperature} {string.Join(' ', source.Config.EndTokens)}");
    }

    private void WriteMerges(int count) => Write("merges.txt", "#version: 0.2\n" + string.Concat(Enumerable.Range(1, count).Select(n => $"{Words[..n]} {Words[n]}\n")));

    private void Refused(string file, string says)
    {
        CheckpointException e = Assert.Throws<CheckpointException>(() => Open());
        Assert.Equal(At(file), e.File);
        Assert.Contains(says, e.Message, StringComparison.Ordinal);
    }

    private ITokenizer Open() => Tokenizer.Open(_checkpoint.Directory);

    private string At(string name) => Path.Combine(_checkpoint.Directory, name);

    private void Write(string name, string text) => File.WriteAllText(At(name), text);
}
