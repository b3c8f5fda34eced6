using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text.Json;
using System.Text.Json.Nodes;
using Portable.Tests.Support;

namespace Portable.Tests.CommandLine;

/// <summary>Verbs that run a model, on the demo's.</summary>
public sealed class ModelVerbTests
{
    private static readonly string Model = Path.Combine(AppContext.BaseDirectory, "demo", "tiny-llama");
    private static readonly string Text = Path.Combine(AppContext.BaseDirectory, "demo", "evaluation.txt");

    [Theory]
    [InlineData("2048")]
    [InlineData("5,99999")]
    [InlineData("-1")]
    public void IdsBeyondTheVocabularyHaveNoText(string ids)
    {
        ToolRun run = ToolRun.Here("tokenize", DemoModel.Directory, "--decode", ids);
        Assert.Equal(1, run.Code);
        Assert.Contains("is outside the vocabulary 0…2047", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public void HashOfOnePositionIsTheHashOfItsLogits()
    {
        JsonElement json = ToolRun.Here("logits", Model, "--ids", "5", "--json").Json();
        double[] last = [.. json.GetProperty("last").EnumerateArray().Select(v => v.GetDouble())];
        byte[] bytes = new byte[4 * last.Length];
        for (int i = 0; i < last.Length; i++)
        {
            Assert.Equal(last[i], (float)last[i]);
            BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(4 * i), (float)last[i]);
        }

        Assert.Equal(2048, last.Length);
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(bytes)), json.GetProperty("hash").GetString());
        Assert.Equal("cpu", json.GetProperty("device").GetString());
        Assert.Equal(Array.IndexOf(last, last.Max()), json.GetProperty("argmax")[0].GetInt32());
    }

    [Fact]
    public void PerplexityScoresWindowsOnTheirOwn()
    {
        JsonElement json = ToolRun.Here("perplexity", Model, "--text", Text, "--context", "16", "--windows", "3", "--json").Json();
        Assert.Equal(45, json.GetProperty("tokens").GetInt32());
        Assert.Equal(3, json.GetProperty("windows").GetInt32());
        Assert.Equal(Math.Exp(json.GetProperty("nll").GetDouble()), json.GetProperty("perplexity").GetDouble(), 9);
        Assert.InRange(json.GetProperty("perplexity").GetDouble(), 5, 200);
    }

    /// <summary>Granite's factor is multiplied into two layers of a block in memory; what is shown is the file's type.</summary>
    [Theory]
    [InlineData("BF16", "bf16", 16)]
    [InlineData("F32", "f32", 32)]
    public void InspectShowsTheTypesOfTheFile(string stored, string shown, double bits)
    {
        using Checkpoints.TinyCheckpoint checkpoint = new("granite", stored, config => config["residual_multiplier"] = 0.22);
        JsonElement json = ToolRun.Here("inspect", checkpoint.Directory, "--json").Json();
        Assert.Equal(bits, json.GetProperty("bits_per_weight").GetDouble());
        Assert.All(json.GetProperty("layers").EnumerateArray(), l => Assert.Equal((shown, bits), (l.GetProperty("scheme").GetString(), l.GetProperty("bits_per_weight").GetDouble())));
    }

    [Fact]
    public void GenerateStreamsTextOrPrintsJson()
    {
        string[] args = ["generate", Model, "--prompt", "The keeper of the light", "--tokens", "6", "--ignore-eos", "--temperature", "0.9", "--seed", "4"];
        ToolRun streamed = ToolRun.Here(args);
        JsonElement json = ToolRun.Here([.. args, "--json"]).Json();
        Assert.Equal(6, json.GetProperty("ids").GetArrayLength());
        Assert.Equal(json.GetProperty("text").GetString(), streamed.Output.TrimEnd('\n'));
    }

    [Fact]
    public void GenerateSaysThatTheContextIsFull()
    {
        string[] args = ["generate", Model, "--prompt", "The keeper of the light", "--tokens", "40", "--ignore-eos", "--context", "12"];
        ToolRun run = ToolRun.Here(args);
        Assert.Equal(0, run.Code);
        Assert.Contains("stopped: the context is full (12 tokens; --context makes more room)", run.Error, StringComparison.Ordinal);
        JsonElement json = ToolRun.Here([.. args, "--json"]).Json();
        Assert.Equal("context", json.GetProperty("stopped").GetString());
        Assert.InRange(json.GetProperty("ids").GetArrayLength(), 1, 12);
        Assert.Equal("tokens", ToolRun.Here([.. args[..^2], "--json"]).Json().GetProperty("stopped").GetString());

        ToolRun small = ToolRun.Here([.. args[..^1], "3"]);
        Assert.Equal(1, small.Code);
        Assert.Contains("--context 3", Assert.Single(small.ErrorLines), StringComparison.Ordinal);
        ToolRun large = ToolRun.Here([.. args[..^1], "2000"]);
        Assert.Equal(1, large.Code);
        Assert.Contains("2,000 tokens are more than the model takes (context 1,024)", Assert.Single(large.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public void GenerateReservesWhatPromptAndTokensTake()
    {
        DirectoryInfo copy = Directory.CreateTempSubdirectory("portable-context-");
        try
        {
            foreach (string file in Directory.EnumerateFiles(Model))
            {
                File.Copy(file, Path.Combine(copy.FullName, Path.GetFileName(file)));
            }

            string config = Path.Combine(copy.FullName, "config.json");
            JsonNode fields = JsonNode.Parse(File.ReadAllText(config))!;
            fields["max_position_embeddings"] = 1 << 30; // Its whole cache would take 8 TiB.
            fields["bos_token_id"] = 1;
            fields["eos_token_id"] = 4096;
            File.WriteAllText(config, fields.ToJsonString());
            ToolRun run = ToolRun.Here("generate", copy.FullName, "--prompt", "The keeper", "--tokens", "2");
            Assert.Equal(0, run.Code);
            Assert.Contains("warning", Assert.Single(run.ErrorLines, line => line.Contains("eos_token_id", StringComparison.Ordinal)), StringComparison.Ordinal);
        }
        finally
        {
            copy.Delete(recursive: true);
        }
    }

    [Fact]
    public void TimingsAddUpToTheFirstToken()
    {
        string[] args = ["generate", Model, "--prompt", "The keeper", "--tokens", "2", "--json"];
        Assert.False(ToolRun.Here(args).Json().TryGetProperty("start", out _));
        JsonElement start = ToolRun.Here([.. args, "--timings"]).Json().GetProperty("start");
        double sum = new[] { "process", "device", "load", "prompt" }.Sum(part => start.GetProperty(part).GetDouble());
        Assert.Equal(start.GetProperty("first_token").GetDouble(), sum, 9);
        Assert.Equal(new FileInfo(Path.Combine(Model, "model.safetensors")).Length, start.GetProperty("bytes").GetInt64());
        Assert.True(start.GetProperty("read_bytes_per_second").GetDouble() > 0);
    }

    [Fact]
    public void InspectListsEveryLinear()
    {
        JsonElement json = ToolRun.Here("inspect", Model, "--json").Json();
        Assert.Equal(28, json.GetProperty("layers").GetArrayLength());
        Assert.Equal("model.layers.0.self_attn.q_proj", json.GetProperty("layers")[0].GetProperty("name").GetString());
    }

    [Fact]
    public void InspectTellsTheMemoryOfAContextAndWhatASchemeWouldTake()
    {
        Assert.False(ToolRun.Here("inspect", Model, "--json").Json().TryGetProperty("memory", out _));
        JsonElement json = ToolRun.Here("inspect", Model, "--context", "512", "--batch", "2", "--json").Json(), memory = json.GetProperty("memory");
        JsonElement small = ToolRun.Here("inspect", Model, "--context", "512", "--batch", "2", "--scheme", "w2*a8kv4h4", "--json").Json().GetProperty("memory");
        Assert.Equal((512, 2), (memory.GetProperty("context").GetInt32(), memory.GetProperty("batch").GetInt32()));
        Assert.Equal("W2*A8KV4H4", small.GetProperty("scheme").GetString());
        Assert.All((JsonElement[])[memory, small], m => Assert.Equal(m.GetProperty("total").GetInt64(), m.GetProperty("weights").GetInt64() + m.GetProperty("cache").GetInt64() + m.GetProperty("scratch").GetInt64()));

        // An f32 cache of 2 × 512 positions beside 4-bit codes in bytes, and weights of 16 bits beside some 3.
        Assert.InRange((double)memory.GetProperty("cache").GetInt64() / small.GetProperty("cache").GetInt64(), 2.5, 4);
        Assert.InRange((double)memory.GetProperty("weights").GetInt64() / small.GetProperty("weights").GetInt64(), 3.5, 5);
        JsonElement table = Assert.Single(json.GetProperty("tables").EnumerateArray());
        Assert.Equal(("model.embed_tokens", "f16"), (table.GetProperty("name").GetString(), table.GetProperty("scheme").GetString()));
        Assert.Equal(1, ToolRun.Here("inspect", Model, "--context", "99999").Code);
        Assert.Contains("memory on the CPU as W4A8H8, 1 × ", ToolRun.Here("inspect", Model, "--scheme", "W4A8H8").Output, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("outside the vocabulary", "logits", "MODEL", "--ids", "1,2048")]
    [InlineData("-1", "logits", "MODEL", "--ids", "-1")]
    [InlineData("vulkan", "logits", "MODEL", "--ids", "1", "--device", "vulkan:77")]
    [InlineData("no-such-folder", "logits", "no-such-folder", "--ids", "1")]
    [InlineData("no-such-text", "perplexity", "MODEL", "--text", "no-such-text")]
    [InlineData("not one window", "perplexity", "MODEL", "--text", "SHORT")]
    public void FailuresAreOneLine(string reason, params string[] args)
    {
        string brief = Path.GetTempFileName();
        try
        {
            File.WriteAllText(brief, "A few words.");
            ToolRun run = ToolRun.Here([.. args.Select(a => a switch { "MODEL" => Model, "SHORT" => brief, _ => a })]);
            Assert.Equal(1, run.Code);
            Assert.Empty(run.Output);
            Assert.Contains(reason, Assert.Single(run.ErrorLines), StringComparison.OrdinalIgnoreCase);
        }
        finally
        {
            File.Delete(brief);
        }
    }

    [Fact]
    public void BenchMatmulMeasuresTheRooflineFirst()
    {
        JsonElement json = ToolRun.Here("bench", "matmul", "--shapes", "1x64x64,3x32x70", "--schemes", "W2*A8,W4A4g32", "--warm", "--json").Json();
        Assert.True(json.GetProperty("roofline").GetProperty("stream_gbps").GetDouble() > 0);
        Assert.Equal(4, json.GetProperty("rows").GetArrayLength());
        Assert.All(json.GetProperty("rows").EnumerateArray(), row => Assert.True(row.GetProperty("microseconds").GetDouble() > 0));
        Assert.Equal(1, ToolRun.Here("bench", "matmul", "--kernel", "no-such-kernel", "--shapes", "1x8x8", "--schemes", "W4A4").Code);
    }

    [Fact]
    public void AnInterruptedVerbIs130()
    {
        ToolRun run = ToolRun.Here(new CancellationToken(canceled: true), "perplexity", Model, "--text", Text);
        Assert.Equal(130, run.Code);
        Assert.Equal("error: interrupted", Assert.Single(run.ErrorLines));
    }
}
