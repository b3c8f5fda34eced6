using System.Text.Json.Nodes;
using Portable.Checkpoints;
using Portable.Checkpoints.Format;
using Portable.Models;
using Portable.Quantization;
using Portable.Quantization.Runs;
using Portable.Reference.Quantization;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.Quantization;

/// <summary>Whole runs on the demo model, from checkpoint to checkpoint.</summary>
public sealed class QuantizationRunTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("portable-run-").FullName;

    private static string Text => string.Concat(Enumerable.Range(0, 80).Select(i => $"The keeper counted {i * i} ships. "));

    private static string Model => Path.Combine(Repository.Root, "src/Portable.Cli/demo/tiny-llama");

    [SkippableTheory]
    [InlineData("rtn")]
    [InlineData("abq")]
    public void AnInterruptedRunResumesToTheSameBytes(string method)
    {
        if (method == "abq")
        {
            WideVectors.Require();
        }

        QuantizationRequest whole = Request("whole", method), broken = Request("broken", method);
        QuantizationResult result = QuantizationRun.Run(whole);
        using CancellationTokenSource source = new();
        Immediate interrupt = new(p =>
        {
            if (p is { Stage: "blocks", Done: 2 })
            {
                source.Cancel();
            }
        });
        Assert.Throws<OperationCanceledException>(() => QuantizationRun.Run(broken, interrupt, source.Token));
        Assert.False(Directory.Exists(broken.Output));
        List<int> steps = [];
        QuantizationResult resumed = QuantizationRun.Run(broken, new Immediate(p => steps.Add(p.Done)));
        Assert.Equal(result.ToJson()["layers"]!.ToJsonString(), resumed.ToJson()["layers"]!.ToJsonString());
        Assert.Equal(Files(whole.Output), Files(broken.Output));
        Assert.Equal(result.Training.Select(t => t with { Seconds = 0 }), resumed.Training.Select(t => t with { Seconds = 0 }));
        Assert.InRange(result.BytesAfter, result.BytesBefore / 8, result.BytesBefore / 2);

        Assert.Throws<CheckpointException>(() => QuantizationRun.Run(whole));
        using IModelSource reloaded = Checkpoint.Open(whole.Output);
        Assert.All(reloaded.LoadBlock(0).Linears, l => Assert.Equal("W4A8", l.Scheme));
    }

    /// <summary>A finished shard whose bytes changed is made again, and so are those that were calibrated on it; one without a hash, as older versions left it, is taken and named.</summary>
    [SkippableTheory]
    [InlineData("rtn", 0)]
    [InlineData("gptq", 0)]
    [InlineData("gptq", 1)]
    public void AShardThatChangedIsMadeAgain(string method, int damaged)
    {
        WideVectors.Require();
        QuantizationRequest whole = Request("whole", method), broken = Request("broken", method);
        QuantizationRun.Run(whole);
        string partial = broken.Output + ".partial", shard = $"model-0000{damaged + 1}-of-00005.safetensors";
        Random random = new(damaged);
        foreach (string fault in (string[])["one bit", "shorter", "its hash", "no hashes", "the shard of the tables"])
        {
            Interrupt(broken, "blocks", fault == "the shard of the tables" ? 4 : 3, fault == "the shard of the tables");
            string at = fault == "the shard of the tables" ? shard = "model-00005-of-00005.safetensors" : shard, path = Path.Combine(partial, at);
            byte[] bytes = File.ReadAllBytes(path);
            switch (fault)
            {
                case "no hashes":
                    Directory.Delete(Path.Combine(partial, "state"), recursive: true);
                    break;
                case "its hash":
                    File.WriteAllText(Path.Combine(partial, "state", at + ".sha256"), new string('0', 64));
                    break;
                default:
                    bytes[^random.Next(1, 200)] ^= (byte)(1 << random.Next(8));
                    File.WriteAllBytes(path, fault == "shorter" ? bytes[..^7] : bytes);
                    break;
            }

            List<string?> messages = [];
            QuantizationRun.Run(broken, new Immediate(p => messages.Add(p.Message)));
            string said = Assert.Single(messages, m => m?.StartsWith(at, StringComparison.Ordinal) == true)!;
            Assert.Contains(fault == "no hashes" ? "taken as it is" : "is made again", said, StringComparison.Ordinal);
            Assert.Equal(fault != "no hashes" && fault != "the shard of the tables" && method != "rtn", said.Contains("blocks behind it", StringComparison.Ordinal));
            Assert.Equal(Files(whole.Output), Files(broken.Output));
            Directory.Delete(broken.Output, recursive: true);
        }
    }

    /// <summary>What a method keeps between blocks is proved, too: damaged, it is found out again.</summary>
    [SkippableFact]
    public void StateThatChangedIsNotTaken()
    {
        WideVectors.Require();
        QuantizationRequest Flexq(string output) => Request(output, "flexq") with { Scheme = QuantizationScheme.Parse("W6A6g128") };
        QuantizationRun.Run(Flexq("whole"));
        foreach (Func<byte[], byte[]> damage in (Func<byte[], byte[]>[])[b => [.. b[..^3], (byte)(b[^3] ^ 1), .. b[^2..]], b => b[..^5], _ => [], _ => "{"u8.ToArray()])
        {
            Interrupt(Flexq("broken"), "blocks", 2);
            string state = Path.Combine(_directory, "broken.partial", "state");
            foreach (string file in Directory.EnumerateFiles(state).Where(f => !f.EndsWith(".sha256", StringComparison.Ordinal)).ToList())
            {
                File.WriteAllBytes(file, damage(File.ReadAllBytes(file)));
            }

            QuantizationRun.Run(Flexq("broken"));
            Assert.Equal(Files(Path.Combine(_directory, "whole")), Files(Path.Combine(_directory, "broken")));
            Directory.Delete(Path.Combine(_directory, "broken"), recursive: true);
        }
    }

    /// <summary>A shard that the file system refuses (its place is taken): what is finished stays, and the run goes on once there is room.</summary>
    [Fact]
    public void ARunThatCouldNotWriteIsResumed()
    {
        QuantizationRequest whole = Request("whole"), refused = Request("refused");
        QuantizationRun.Run(whole);
        string partial = refused.Output + ".partial", inTheWay = Path.Combine(partial, "model-00003-of-00005.safetensors.tmp");
        Immediate obstruct = new(p =>
        {
            if (p is { Stage: "blocks", Done: 2 })
            {
                Directory.CreateDirectory(inTheWay);
            }
        });
        CheckpointException e = Assert.Throws<CheckpointException>(() => QuantizationRun.Run(refused, obstruct));
        Assert.Contains("cannot be written", e.Message, StringComparison.Ordinal);
        Assert.True(File.Exists(Path.Combine(partial, "model-00002-of-00005.safetensors")));
        Directory.Delete(inTheWay);
        QuantizationRun.Run(refused);
        Assert.Equal(Files(whole.Output), Files(refused.Output));
    }

    /// <summary>Every method takes an H part; the embedding, here the head too, is one more layer of the report and of the manifest, and the run that was killed before it goes on to the same bytes.</summary>
    [SkippableTheory]
    [InlineData("rtn")]
    [InlineData("gptq")]
    [InlineData("flexq")]
    public void EmbeddingAndHeadAreQuantizedWithEveryMethod(string method)
    {
        WideVectors.Require();
        QuantizationScheme scheme = QuantizationScheme.Parse("W6A6g128KV8H4");
        QuantizationRequest whole = Request("whole", method) with { Scheme = scheme }, broken = Request("broken", method) with { Scheme = scheme };
        QuantizationResult result = QuantizationRun.Run(whole);
        LayerReport table = result.Layers[^1];
        Assert.Equal(("model.embed_tokens", "W4A8"), (table.Name, table.Scheme));
        Assert.InRange(table.Error, 0.01, 0.2);
        using CancellationTokenSource source = new();
        Immediate interrupt = new(p =>
        {
            if (p is { Stage: "embedding and head", Done: 0 })
            {
                source.Cancel();
                source.Token.ThrowIfCancellationRequested();
            }
        });
        Assert.Throws<OperationCanceledException>(() => QuantizationRun.Run(broken, interrupt, source.Token));
        QuantizationResult resumed = QuantizationRun.Run(broken);
        Assert.Equal(result.ToJson()["layers"]!.ToJsonString(), resumed.ToJson()["layers"]!.ToJsonString());
        Assert.Equal(Files(whole.Output), Files(broken.Output));
        using PortableCheckpoint reloaded = PortableCheckpoint.Open(whole.Output);
        Assert.Equal(result.Layers.Select(l => l.Name), reloaded.Manifest.Layers.Select(l => l.Name));
        Assert.NotNull(reloaded.LoadEmbedding().Quantized);
    }

    [SkippableFact]
    public void TheReportTellsLossAndTimePerBlockAndTheManifestNoTime()
    {
        WideVectors.Require();
        QuantizationRequest request = Request("trained", "abq") with { StreamBudget = 0 };
        JsonArray training = QuantizationRun.Run(request).ToJson()["training"]!.AsArray();
        Assert.Equal(["model.layers.0", "model.layers.1", "model.layers.2", "model.layers.3"], training.Select(t => (string)t!["name"]!));
        Assert.All(training, t => Assert.True((double)t!["loss_after"]! < (double)t["loss_before"]!));
        Assert.All(training, t => Assert.True((double)t!["seconds"]! > 0 && (int)t["steps"]! == 4));
        string manifest = File.ReadAllText(Path.Combine(request.Output, "manifest.json"));
        Assert.Contains("block_loss_after", manifest, StringComparison.Ordinal);
        Assert.DoesNotContain("seconds", manifest, StringComparison.Ordinal);
    }

    [Fact]
    public void ARefusedRequestLeavesNothingBehind()
    {
        Assert.Throws<MethodUsageException>(() => QuantizationRun.Run(Request("x") with { Method = "gptq" }));
        Assert.Throws<MethodUsageException>(() => QuantizationRun.Run(Request("x") with { Method = "none" }));
        Assert.Throws<FormatException>(() => QuantizationRun.Run(Request("x") with { Method = "flexq" }));
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory));
    }

    [Fact]
    public void OptionsThatAMethodDoesNotUseAreNamed()
    {
        List<string?> messages = [];
        QuantizationRun.Run(Request("named") with { Options = new MethodOptions { Named = new Dictionary<string, string> { ["alpha"] = "0.3" } } }, new Immediate(p => messages.Add(p.Message)));
        Assert.Contains(messages, m => m is not null && m.Contains("alpha", StringComparison.Ordinal) && m.Contains("rtn", StringComparison.Ordinal));
    }

    /// <summary>A default that is spelt out asks for nothing else: the same manifest, so that either command goes on where the other stopped.</summary>
    [SkippableTheory]
    [InlineData("abq", "W4A8", "compensation=full offset-rate=0.0050", "")]
    [InlineData("abq", "W2A8", "grid=search arithmetic=auto", "")]
    [InlineData("abq", "W2A8", "clipping-search=on grid=minmax", "grid=minmax")]
    [InlineData("gptq", "W4A8", "target=0.50 descent=3 damping=0.010 true-sequential=on grid=search", "target=0.50")]
    [InlineData("gptq", "W4A8", "grid=minmax descent=0 missing=0", "grid=minmax")]
    [InlineData("flexq", "W6A8g128", "grid=search levels=asymmetric refine=gptq recipe=default", "")]
    public void ADefaultSpeltOutIsTheDefault(string method, string scheme, string spelt, string plain)
    {
        WideVectors.Require();
        string[] manifests = [.. ((string[])[spelt, plain]).Select(options =>
        {
            QuantizationRequest request = Request("named", method) with { Scheme = QuantizationScheme.Parse(scheme), Overwrite = true };
            Dictionary<string, string> named = options.Split(' ', StringSplitOptions.RemoveEmptyEntries).Select(o => o.Split('=')).ToDictionary(o => o[0], o => o[1]);
            QuantizationRun.Run(request with { Options = request.Options with { Samples = 1, Named = method == "abq" ? new Dictionary<string, string>(named) { ["epochs"] = "1" } : named } });
            return File.ReadAllText(Path.Combine(request.Output, "manifest.json"));
        })];
        Assert.Equal(manifests[1], manifests[0]);
    }

    [Fact]
    public void ACalibrationTextThatIsTooShortIsSaidAndTheManifestHoldsWhatWasUsed()
    {
        List<string?> messages = [];
        MethodOptions options = new() { CalibrationText = "The keeper counted four ships, and then the light went out again.", Samples = 128, Context = 8 };
        QuantizationRequest request = Request("short") with { Options = options };
        QuantizationRun.Run(request, new Immediate(p => messages.Add(p.Message)));
        JsonNode calibration = JsonNode.Parse(File.ReadAllText(Path.Combine(request.Output, "manifest.json")))!["options"]!["calibration"]!;
        int used = (int)calibration["samples"]!;
        Assert.InRange(used, 1, 5);
        Assert.Contains(messages, m => m is not null && m.Contains($"holds {used} of the 128 windows of 8 tokens", StringComparison.Ordinal));

        messages.Clear();
        QuantizationRequest enough = Request("enough") with { Options = options with { Samples = used } };
        QuantizationRun.Run(enough, new Immediate(p => messages.Add(p.Message)));
        Assert.All(messages, Assert.Null);
        Assert.Equal(Files(request.Output), Files(enough.Output));
    }

    [Fact]
    public void AModelThatIsNotFiniteLeavesNothingBehind()
    {
        using Checkpoints.TinyCheckpoint checkpoint = new(dtype: "F32");
        int[] offsets = [.. checkpoint.Header["model.layers.0.mlp.down_proj.weight"]!["data_offsets"]!.AsArray().Select(o => (int)o!)];
        System.Runtime.InteropServices.MemoryMarshal.Cast<byte, float>(checkpoint.Data.AsSpan(offsets[0]..offsets[1])).Fill(3e38f);
        checkpoint.Write();
        Exception e = Assert.ThrowsAny<ArithmeticException>(() => QuantizationRun.Run(Request("x") with { Model = checkpoint.Directory }));
        Assert.Contains("model.layers.0.mlp.down_proj", e.Message, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_directory));
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    /// <summary>Runs until a step, or until the tables are written.</summary>
    private static void Interrupt(QuantizationRequest request, string stage, int done, bool tables = false)
    {
        using CancellationTokenSource source = new();
        Immediate interrupt = new(p =>
        {
            if (tables ? p is { Stage: "embedding and head", Done: 1 } : p.Stage == stage && p.Done == done)
            {
                source.Cancel();
                source.Token.ThrowIfCancellationRequested();
            }
        });
        Assert.Throws<OperationCanceledException>(() => QuantizationRun.Run(request, interrupt, source.Token));
    }

    private QuantizationRequest Request(string output, string method = "rtn") => new()
    {
        Model = Model,
        Method = method,
        Scheme = QuantizationScheme.Parse("W4A8"),
        Output = Path.Combine(_directory, output),
        Options = method == "rtn"
            ? new MethodOptions()
            : new MethodOptions { CalibrationText = Text, Samples = 4, Context = 16, Named = new Dictionary<string, string> { ["epochs"] = "1" } },
    };

    private static IEnumerable<(string, string)> Files(string directory) =>
        Directory.EnumerateFiles(directory).Order(StringComparer.Ordinal).Select(f => (Path.GetFileName(f), Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(f)))));

    private sealed class Immediate(Action<QuantizationProgress> report) : IProgress<QuantizationProgress>
    {
        public void Report(QuantizationProgress value) => report(value);
    }
}
