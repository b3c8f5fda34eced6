using Portable.Checkpoints;
using Portable.Quantization.Runs;
using Portable.Reference.Quantization;
using Portable.Tests.Support;

namespace Portable.Tests.CommandLine;

/// <summary>What an interrupted <c>portable quantize</c> leaves, and what is said to whoever opens it.</summary>
public sealed class UnfinishedCheckpointTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("portable-unfinished-").FullName;

    private string Output => Path.Combine(_folder, "r2");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Under the name that it will have, where its files gather, and in an empty directory that is to be filled.</summary>
    [Theory]
    [InlineData("", false)]
    [InlineData("", true)]
    [InlineData(".partial", false)]
    [InlineData(".partial/", false)]
    public void EveryVerbSaysThatItIsUnfinished(string ending, bool empty)
    {
        Interrupt();
        if (empty)
        {
            Directory.CreateDirectory(Output);
        }

        string model = Output + ending;
        foreach (string[] line in (string[][])
        [
            ["inspect", model], ["inspect", model, "--verify"], ["generate", model, "--prompt", "a"], ["chat", model], ["serve", model, "--port", "0"], ["perplexity", model, "--text", DemoModel.Text],
            ["logits", model, "--ids", "1"], ["compare", DemoModel.Directory, model, "--text", DemoModel.Text], ["tokenize", model, "--text", "a"], ["render", model, "--messages", DemoModel.Text],
            ["quantize", model, "--method", "rtn", "--scheme", "W4A8", "--output", Path.Combine(_folder, "other")],
        ])
        {
            ToolRun run = ToolRun.Here(line);
            Assert.Equal((1, $"error: {model}: unfinished: its quantization was interrupted, or still runs; run the quantize command again, which goes on where it stopped"), (run.Code, run.ErrorLines.LastOrDefault()));
        }

        Assert.Equal(0, Quantize().Code);
        Assert.Equal(0, ToolRun.Here("inspect", Output).Code);
    }

    /// <summary>A checkpoint that another command is to replace stays what it is meanwhile.</summary>
    [Fact]
    public void AFinishedOneBesideAnUnfinishedOneIsOpened()
    {
        Assert.Equal(0, Quantize().Code);
        Directory.CreateDirectory(Output + ".partial");
        File.WriteAllText(Path.Combine(Output + ".partial", "run.json"), "{}");
        Assert.Equal(0, ToolRun.Here("inspect", Output).Code);
    }

    [Theory]
    [InlineData("run.json", 300)]
    [InlineData("run.json", 0)]
    [InlineData("manifest.json", 300)]
    public void ADamagedOneIsCalledThat(string file, int length)
    {
        if (file == "run.json")
        {
            Interrupt();
        }
        else
        {
            // As a kill before the last step leaves it.
            Assert.Equal(0, Quantize().Code);
            Directory.Move(Output, Output + ".partial");
        }

        string path = Path.Combine(Output + ".partial", file);
        File.WriteAllBytes(path, File.ReadAllBytes(path)[..length]);
        ToolRun run = Quantize();
        Assert.Equal(
            (1, $"error: {Output}.partial: holds an unfinished checkpoint whose {file} is damaged, so that nothing says which command began it; remove it, or discard it with --overwrite"), (run.Code, Assert.Single(run.ErrorLines)));
        Assert.Equal(0, Quantize("--overwrite").Code);
        Assert.Equal(0, ToolRun.Here("inspect", Output, "--verify").Code);
    }

    /// <summary>What somebody put among the unfinished files is neither deleted nor made part of the checkpoint.</summary>
    [Theory]
    [InlineData("notes.txt")]
    [InlineData("model-00009-of-00009.safetensors")]
    [InlineData("folder/notes.txt")]
    public void AStrayFileIsRefusedAndNamed(string name)
    {
        Interrupt();
        string stray = Path.Combine(Output + ".partial", name), mine = Path.Combine(_folder, "mine");
        Directory.CreateDirectory(Path.GetDirectoryName(stray)!);
        File.WriteAllText(stray, "mine");
        ToolRun run = Quantize();
        Assert.Equal((1, $"error: {stray}: no file of the checkpoint that gathers here; move it elsewhere and run the same command again"), (run.Code, Assert.Single(run.ErrorLines)));
        File.Move(stray, mine);
        Assert.Equal(0, Quantize().Code);
        Assert.Equal(0, ToolRun.Here("inspect", Output, "--verify").Code);
    }

    /// <summary>One that comes during the run is found before the end, and what is finished stays.</summary>
    [Fact]
    public void AStrayFileOfTheSameRunIsFoundAtItsEnd()
    {
        string stray = Path.Combine(Output + ".partial", "notes.txt");
        CheckpointException e = Assert.Throws<CheckpointException>(() => Quantizer().Run(new Watch(p =>
        {
            if (p is { Stage: "blocks", Done: 1 })
            {
                File.WriteAllText(stray, "mine");
            }
        })));
        Assert.StartsWith(stray, e.Message, StringComparison.Ordinal);
        Assert.Equal("mine", File.ReadAllText(stray));
        Assert.True(File.Exists(Path.Combine(Output + ".partial", "model-00001-of-00005.safetensors")));
        Assert.False(Directory.Exists(Output));
    }

    /// <summary>The cause, not what the system says of a directory beside that nobody asked for.</summary>
    [SkippableFact]
    public void AnOutputThatCannotBeMadeNamesTheCause()
    {
        Skip.IfNot(OperatingSystem.IsLinux(), "Paths of Linux.");
        string file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "");
        Refused(Path.Combine(file, "x"), $"{file} is a file");
        Refused(Path.Combine(file, "x", "y"), $"{file} is a file");
        Refused("/proc/x", "no directory can be made in /proc");
        Assert.Equal($"error: {file}/r.json: cannot be written: {file} is a file", Assert.Single(ToolRun.Here("verify", "--report", Path.Combine(file, "r.json")).ErrorLines));

        static void Refused(string output, string cause)
        {
            ToolRun run = ToolRun.Here("quantize", DemoModel.Directory, "--method", "rtn", "--scheme", "W8A8", "--output", output);
            Assert.Equal((1, $"error: {output}: cannot be written: {cause}"), (run.Code, Assert.Single(run.ErrorLines)));
        }
    }

    private void Interrupt()
    {
        using CancellationTokenSource source = new();
        Assert.Throws<OperationCanceledException>(() => Quantizer().Run(
            new Watch(p =>
            {
                if (p is { Stage: "blocks", Done: 2 })
                {
                    source.Cancel();
                }
            }),
            source.Token));
        Assert.False(Directory.Exists(Output));
    }

    private Quantizer Quantizer() => new() { Source = DemoModel.Directory, Method = QuantizationMethod.RoundToNearest, Scheme = QuantizationScheme.Parse("W4A8"), Output = Output };

    private ToolRun Quantize(params string[] more) => ToolRun.Here(["quantize", DemoModel.Directory, "--method", "rtn", "--scheme", "W4A8", "--output", Output, .. more]);

    private sealed class Watch(Action<QuantizationProgress> seen) : IProgress<QuantizationProgress>
    {
        public void Report(QuantizationProgress value) => seen(value);
    }
}
