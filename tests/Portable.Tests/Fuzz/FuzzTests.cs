using System.Globalization;
using System.Text;
using Portable.Tests.Checkpoints;
using Portable.Tests.Models;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.Fuzz;

/// <summary>
/// Spoilt config.json, index and tokenizer files: the tool does its work or fails with one line that names a file; it never
/// prints a stack trace, and never hangs. <c>PORTABLE_FUZZ_CASES</c> sets the number of cases of each kind (100,000 for a long
/// run), <c>PORTABLE_FUZZ_SEED</c> the first seed; a failure names its seed and keeps the spoilt file.
/// </summary>
public sealed class FuzzTests : IDisposable
{
    private const int CasesOfACommit = 250;

    // Far beyond any machine's pace: a case that takes so long does not end.
    private static readonly TimeSpan Hang = TimeSpan.FromMinutes(2);

    private static readonly int Cases = Setting("PORTABLE_FUZZ_CASES", CasesOfACommit), First = Setting("PORTABLE_FUZZ_SEED", 1);

    private const string BytePairs = """
        {"version": "1.0", "added_tokens": [{"id": 0, "content": "<s>", "special": true, "lstrip": false, "rstrip": false, "normalized": false, "single_word": false}],
         "normalizer": null, "pre_tokenizer": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": true, "use_regex": true},
         "post_processor": {"type": "ByteLevel", "add_prefix_space": false, "trim_offsets": false}, "decoder": {"type": "ByteLevel"},
         "model": {"type": "BPE", "dropout": null, "unk_token": null, "continuing_subword_prefix": null, "end_of_word_suffix": null, "fuse_unk": false, "byte_fallback": false, "ignore_merges": false,
          "vocab": {"<s>": 0, "a": 1, "b": 2, "c": 3, "e": 4, "h": 5, "p": 6, "k": 7, "r": 8, "t": 9, "Ġ": 10, "th": 11, "the": 12, "Ġthe": 13, "ke": 14, "er": 15}, "merges": ["t h", "th e", "Ġ the", "k e", "e r"]}}
        """;

    private const string Metaspace = """
        {"version": "1.0", "added_tokens": [{"id": 0, "content": "<unk>", "special": true}, {"id": 1, "content": "<s>", "special": true}],
         "normalizer": {"type": "Sequence", "normalizers": [{"type": "Prepend", "prepend": "▁"}, {"type": "Replace", "pattern": {"String": " "}, "content": "▁"}]}, "pre_tokenizer": null,
         "post_processor": {"type": "TemplateProcessing", "single": [{"SpecialToken": {"id": "<s>", "type_id": 0}}, {"Sequence": {"id": "A", "type_id": 0}}], "pair": [{"Sequence": {"id": "A", "type_id": 0}}], "special_tokens": {"<s>": {"id": "<s>", "ids": [1], "tokens": ["<s>"]}}},
         "decoder": {"type": "Sequence", "decoders": [{"type": "Replace", "pattern": {"String": "▁"}, "content": " "}, {"type": "ByteFallback"}, {"type": "Fuse"}, {"type": "Strip", "content": " ", "start": 1, "stop": 0}]},
         "model": {"type": "BPE", "unk_token": "<unk>", "fuse_unk": true, "byte_fallback": true, "vocab": {"<unk>": 0, "<s>": 1, "▁": 2, "t": 3, "h": 4, "e": 5, "▁t": 6, "he": 7, "▁the": 8, "<0x41>": 9}, "merges": [["▁", "t"], ["h", "e"], ["▁t", "he"]]}}
        """;

    private readonly TinyCheckpoint _llama = new(), _qwen = new("qwen2"), _opt = new("opt");
    private readonly string _words = Directory.CreateTempSubdirectory("portable-fuzz-").FullName;

    public void Dispose()
    {
        _llama.Dispose();
        _qwen.Dispose();
        _opt.Dispose();
        Directory.Delete(_words, recursive: true);
    }

    [Theory]
    [InlineData("llama")]
    [InlineData("qwen2")]
    [InlineData("opt")]
    public void Configs(string type)
    {
        TinyCheckpoint model = type switch { "opt" => _opt, "qwen2" => _qwen, _ => _llama };
        foreach ((string name, System.Text.Json.Nodes.JsonNode value) in ((string, System.Text.Json.Nodes.JsonNode)[])
            [("rope_theta", 10000.0), ("rms_norm_eps", 1e-5), ("hidden_act", "silu"), ("sliding_window", 4096), ("use_sliding_window", false), ("max_window_layers", 1), ("torch_dtype", "float16"), ("pad_token_id", -1)])
        {
            if (type != "opt")
            {
                model.Config[name] = value;
            }
        }

        model.Config["rope_parameters"] = type == "llama" ? System.Text.Json.Nodes.JsonNode.Parse("""{"rope_type": "llama3", "factor": 8.0, "low_freq_factor": 1.0, "high_freq_factor": 4.0, "original_max_position_embeddings": 8}""") : null;
        model.WriteConfig();
        Spoil(Path.Combine(model.Directory, "config.json"), json: true, () => Run("logits", model.Directory, "--ids", "1,5,3"));
    }

    /// <summary>Files of transformers 5, of every architecture: done, or one line that names file and field or tensor.</summary>
    [SkippableTheory]
    [MemberData(nameof(ZooTests.Names), MemberType = typeof(ZooTests))]
    public void ConfigsOfTheZoo(string name)
    {
        string? model = SharedData.Models($"zoo/{name}");
        Skip.If(model is null, SharedData.Absent);
        File.CreateSymbolicLink(Path.Combine(_words, "model.safetensors"), Path.Combine(model, "model.safetensors"));
        string path = Path.Combine(_words, "config.json");
        File.Copy(Path.Combine(model, "config.json"), path);
        Spoil(path, json: true, () =>
        {
            ToolRun run = Run("logits", _words, "--ids", "1,5,3");
            Assert.True(run.Code == 0 || run.Error.Contains("config.json", StringComparison.Ordinal) || run.Error.Contains("model.safetensors", StringComparison.Ordinal), run.Error);
        }, Cases / 8);
    }

    [Fact]
    public void GenerationConfigs()
    {
        string path = Path.Combine(_llama.Directory, "generation_config.json");
        File.WriteAllText(path, """{"bos_token_id": 1, "eos_token_id": [2, 5], "do_sample": true, "temperature": 0.6, "transformers_version": "4.40.0"}""");
        Spoil(path, json: true, () => Assert.Equal(0, Run("logits", _llama.Directory, "--ids", "1,5,3").Code));
    }

    [Fact]
    public void Indexes()
    {
        _llama.WriteSharded();
        Spoil(Path.Combine(_llama.Directory, "model.safetensors.index.json"), json: true, () => Run("logits", _llama.Directory, "--ids", "1,5,3"));
    }

    [Theory]
    [InlineData(BytePairs)]
    [InlineData(Metaspace)]
    public void TokenizersOfTheTokenizersPackage(string tokenizer)
    {
        string path = Path.Combine(_words, "tokenizer.json");
        File.WriteAllText(path, tokenizer);
        Spoil(path, json: true, Tokenize);
    }

    [Fact]
    public void TokenizersOfSentencePiece()
    {
        string path = Path.Combine(_words, "tokenizer.model");
        File.Copy(Path.Combine(AppContext.BaseDirectory, "demo", "tiny-llama", "tokenizer.model"), path);
        Spoil(path, json: false, Tokenize);
    }

    [Theory]
    [InlineData("vocab.json")]
    [InlineData("merges.txt")]
    [InlineData("tokenizer_config.json")]
    public void TokenizersInTwoFiles(string spoilt)
    {
        File.WriteAllText(Path.Combine(_words, "vocab.json"), """{"a": 0, "b": 1, "c": 2, "e": 3, "h": 4, "t": 5, "Ġ": 6, "th": 7, "the": 8, "Ġthe": 9}""");
        File.WriteAllText(Path.Combine(_words, "merges.txt"), "#version: 0.2\nt h\nth e\nĠ the\n");
        File.WriteAllText(Path.Combine(_words, "tokenizer_config.json"), """{"add_bos_token": true, "bos_token": {"content": "the", "lstrip": false}, "model_max_length": 1000000000000000019884624838656}""");
        Spoil(Path.Combine(_words, spoilt), json: spoilt.EndsWith(".json", StringComparison.Ordinal), Tokenize);
    }

    [Fact]
    public void MutationsDifferAndRepeat()
    {
        byte[] source = Encoding.UTF8.GetBytes(_llama.Config.ToJsonString());
        Assert.Equal(new Mutation(7).Json(source), new Mutation(7).Json(source));
        Assert.InRange(Enumerable.Range(0, 200).Select(i => Encoding.UTF8.GetString(new Mutation(i).Json(source))).Distinct().Count(), 150, 200);
        Assert.InRange(Enumerable.Range(0, 200).Count(i => new Mutation(i).Bytes(source).AsSpan().SequenceEqual(source)), 0, 10);
    }

    private static int Setting(string name, int absent) => int.TryParse(Environment.GetEnvironmentVariable(name), NumberStyles.None, CultureInfo.InvariantCulture, out int value) ? value : absent;

    /// <summary>The tool's answer, which must be one: done, or one line of failure beside warnings.</summary>
    private static ToolRun Run(params string[] args)
    {
        ToolRun run = ToolRun.Here([.. args, "--threads", "1"]);
        string[] lines = [.. run.ErrorLines.Where(l => !l.StartsWith("warning: ", StringComparison.Ordinal))];
        Assert.True(run.Code == 0 ? lines.Length == 0 : run.Code == 1 && lines is [var line] && line.StartsWith("error: ", StringComparison.Ordinal), $"exit {run.Code}: {run.Error}");
        Assert.DoesNotContain("internal fault", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain("   at ", run.Error, StringComparison.Ordinal);
        return run;
    }

    private void Tokenize() => Run("tokenize", _words, "--text", "The keeper the the\nÄé 漢字 \U0001F600 <s> abc", "--with-special");

    private static void Spoil(string path, bool json, Action check, int? cases = null)
    {
        byte[] source = File.ReadAllBytes(path);
        check();
        for (int seed = First; seed < First + (cases ?? Cases); seed++)
        {
            Mutation mutation = new(seed);
            byte[] spoilt = json && seed % 4 != 0 ? mutation.Json(source) : mutation.Bytes(source);
            File.WriteAllBytes(path, spoilt);
            try
            {
                // On a thread of its own: one of the pool might have to be waited for.
                Task task = Task.Factory.StartNew(check, CancellationToken.None, TaskCreationOptions.LongRunning, TaskScheduler.Default);
                Assert.True(task.Wait(Hang), "hangs");
            }
            catch (Exception e)
            {
                string kept = Path.Combine(Path.GetTempPath(), $"portable-fuzz-{seed}-{Path.GetFileName(path)}");
                File.WriteAllBytes(kept, spoilt);
                Assert.Fail($"seed {seed}, kept in {kept}: {(e is AggregateException { InnerException: { } inner } ? inner : e)}");
            }
        }

        File.WriteAllBytes(path, source);
    }
}
