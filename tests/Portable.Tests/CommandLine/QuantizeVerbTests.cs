using System.Diagnostics;
using System.Security.Cryptography;
using System.Text.Json;
using Portable.Tests.Support;

namespace Portable.Tests.CommandLine;

/// <summary><c>portable quantize</c> on the demo's model, and the other verbs on what it makes.</summary>
public sealed class QuantizeVerbTests : IDisposable
{
    private static readonly string Model = Path.Combine(AppContext.BaseDirectory, "demo", "tiny-llama");
    private readonly string _folder = Directory.CreateTempSubdirectory("portable-quantize-").FullName;

    private string Output => Path.Combine(_folder, "out");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public void TheReportNamesEveryLayer()
    {
        JsonElement json = Quantize("rtn", "W4A8", "--json").Json();
        Assert.Equal("rtn", json.GetProperty("method").GetString());
        Assert.Equal("W4A8", json.GetProperty("scheme").GetString());
        JsonElement[] layers = [.. json.GetProperty("layers").EnumerateArray()];
        Assert.Equal(28, layers.Length);
        Assert.All(layers, l => Assert.InRange(l.GetProperty("error").GetDouble(), 0.01, 0.3));
        Assert.All(layers, l => Assert.Equal("W4A8", l.GetProperty("scheme").GetString()));
        Assert.True(json.GetProperty("bytes_after").GetInt64() < json.GetProperty("bytes_before").GetInt64() / 2);

        JsonElement inspected = ToolRun.Here("inspect", Output, "--json").Json();
        Assert.Equal(layers.Select(l => l.GetProperty("name").GetString()), inspected.GetProperty("layers").EnumerateArray().Select(l => l.GetProperty("name").GetString()));
        Assert.All(inspected.GetProperty("layers").EnumerateArray(), l => Assert.Equal("W4A8", l.GetProperty("scheme").GetString()));
    }

    [Fact]
    public void ChunksOfAQuantizedModelGiveOneHash()
    {
        Assert.Equal(0, Quantize("flexq", "W6A6g128KV4").Code);
        string[] hashes = [.. new[] { "0", "1", "3" }.Select(chunk =>
            ToolRun.Here("logits", Output, "--ids", "1,5,9,700,31,2,64", "--chunk", chunk, "--json").Json().GetProperty("hash").GetString()!)];
        Assert.Single(hashes.Distinct());
    }

    [Fact]
    public void AModelWithoutATokenizerIsQuantizedAndThatIsSaid()
    {
        string model = Directory.CreateDirectory(Path.Combine(_folder, "bare")).FullName;
        foreach (string name in (string[])["config.json", "model.safetensors"])
        {
            File.Copy(Path.Combine(Model, name), Path.Combine(model, name));
        }

        ToolRun run = ToolRun.Here("quantize", model, "--method", "rtn", "--scheme", "W8A8", "--output", Output);
        Assert.Equal(0, run.Code);
        Assert.StartsWith($"warning: {model}: no tokenizer;", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
        Assert.Empty(Quantize("rtn", "W8A8", "--overwrite").ErrorLines);
    }

    [Fact]
    public void WindowsThatTheModelDoesNotTakeAreAllThatIsSaid()
    {
        ToolRun run = Quantize("gptq", "W4A8", "--calibration", Path.Combine(AppContext.BaseDirectory, "demo", "calibration.txt"), "--context", "1025");
        Assert.Equal(1, run.Code);
        Assert.Contains("Calibration windows of 1,025 tokens are more than the model takes", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
    }

    /// <summary>As the help has it: one bit where a method's grid is asymmetric.</summary>
    [Theory]
    [InlineData("rtn", "W1A8", true)]
    [InlineData("rtn", "W4A1", false)]
    [InlineData("gptq", "W4A1", false)]
    [InlineData("smoothquant", "W1A8", false)]
    [InlineData("smoothquant", "W4A1", false)]
    [InlineData("flexq", "W1A8", false)]
    [InlineData("flexq", "W4A1", false)]
    [InlineData("flatten", "W4A1", false)]
    [InlineData("abq", "W1A1", true)]
    [InlineData("omniquant", "W1A1", true)]
    public void OneBitIsForMethodsWithoutASymmetricGrid(string method, string scheme, bool serves)
    {
        string[] calibration = method is "rtn" ? [] : ["--calibration", Path.Combine(AppContext.BaseDirectory, "demo", "calibration.txt"), "--samples", "1", "--context", "8"];
        ToolRun run = Quantize(method, scheme, [.. calibration, .. method is "abq" or "omniquant" ? (string[])["--epochs", "1"] : []]);
        Assert.Equal(serves ? 0 : 2, run.Code);
    }

    [Fact]
    public void AFinishedCheckpointIsReplacedOnlyWhenAsked()
    {
        Assert.Equal(0, Quantize("rtn", "W8A8").Code);
        ToolRun again = Quantize("rtn", "W8A8");
        Assert.Equal(1, again.Code);
        Assert.Contains("(--overwrite replaces it)", Assert.Single(again.ErrorLines));
        Assert.Equal(0, Quantize("rtn", "W6A8", "--overwrite").Code);
        Assert.Contains("W6A8", ToolRun.Here("inspect", Output).Output);
    }

    /// <summary>What a mount holds is not renamed, which is known before the work and not behind it.</summary>
    [SkippableFact]
    public void AMountPointIsToldBeforeTheWork()
    {
        Skip.IfNot(Shell("unshare -rm true").Code == 0, "No namespace of the user's own, to mount something in.");
        Assert.Equal(0, Quantize("rtn", "W8A8").Code);
        string[] before = [.. Directory.EnumerateFiles(Output).Order(StringComparer.Ordinal)];
        string tool = Path.Combine(AppContext.BaseDirectory, "Portable.Cli.dll");
        (int code, string error) = Shell($"unshare -rm sh -c \"mount --bind '{Output}' '{Output}' && exec dotnet '{tool}' quantize '{Model}' --method rtn --scheme W6A8 --output '{Output}' --overwrite\"");
        Assert.Equal(1, code);
        Assert.Contains("cannot be replaced, for it cannot be renamed, as a mount point cannot (", error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(Output + ".partial"));
        Assert.Equal(before, Directory.EnumerateFiles(Output).Order(StringComparer.Ordinal));
        Assert.Contains("W8A8", ToolRun.Here("inspect", Output).Output, StringComparison.Ordinal);
    }

    private static (int Code, string Error) Shell(string line)
    {
        try
        {
            using Process shell = Process.Start(new ProcessStartInfo("sh", ["-c", line]) { RedirectStandardOutput = true, RedirectStandardError = true })!;
            Task<string> output = shell.StandardOutput.ReadToEndAsync();
            string error = shell.StandardError.ReadToEnd();
            shell.WaitForExit();
            return (shell.ExitCode, error + output.Result);
        }
        catch (System.ComponentModel.Win32Exception e)
        {
            return (127, e.Message);
        }
    }

    /// <summary>Opening looks at lengths; --verify finds any byte of any file, what is missing, and what nobody wrote.</summary>
    [Fact]
    public void VerifyingReadsEveryByte()
    {
        Assert.Equal(0, Quantize("rtn", "W4A8").Code);
        JsonElement intact = ToolRun.Here("inspect", Output, "--verify", "--json").Json();
        string[] files = [.. Directory.EnumerateFiles(Output).Select(f => Path.GetFileName(f)).Where(f => f != "manifest.json")];
        Assert.True(intact.GetProperty("intact").GetBoolean());
        Assert.Equal(files.Length, intact.GetProperty("files").GetInt32());
        Assert.Equal(files.Sum(f => new FileInfo(Path.Combine(Output, f)).Length), intact.GetProperty("bytes").GetInt64());
        Assert.Equal(Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(Path.Combine(Output, "manifest.json")))), intact.GetProperty("manifest").GetString());
        Assert.Contains($"all {files.Length} files", ToolRun.Here("inspect", Output, "--verify").Output, StringComparison.Ordinal);
        Assert.Contains("tokenizer.model", files);
        Random random = new(2);
        foreach (string file in files)
        {
            string path = Path.Combine(Output, file);
            byte[] right = File.ReadAllBytes(path), wrong = [.. right];
            wrong[random.Next(wrong.Length)] ^= (byte)(1 << random.Next(8));
            File.WriteAllBytes(path, wrong);
            Refused(file, "differs");
            File.WriteAllBytes(path, right[..^1]);
            Refused(file, "differs");
            File.Delete(path);
            Refused(file, "missing");
            File.WriteAllBytes(path, right);
        }

        Directory.CreateDirectory(Path.Combine(Output, "additional_chat_templates"));
        File.WriteAllText(Path.Combine(Output, "additional_chat_templates", "x.jinja"), "x");
        Refused("additional_chat_templates/x.jinja", "extra");
        Directory.Delete(Path.Combine(Output, "additional_chat_templates"), recursive: true);
        File.WriteAllText(Path.Combine(Output, ".gitattributes"), "");
        Assert.Equal(0, ToolRun.Here("inspect", Output, "--verify").Code);
        Assert.Equal(2, ToolRun.Here("inspect", Output, "--verify", "--context", "8").Code);
        ToolRun none = ToolRun.Here("inspect", Model, "--verify");
        Assert.Equal(1, none.Code);
        Assert.Contains("manifest.json", Assert.Single(none.ErrorLines), StringComparison.Ordinal);

        void Refused(string name, string problem)
        {
            ToolRun run = ToolRun.Here("inspect", Output, "--verify", "--json");
            Assert.Equal(1, run.Code);
            Assert.Contains($"{name} ({problem})", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
            using JsonDocument json = JsonDocument.Parse(run.Output);
            Assert.False(json.RootElement.GetProperty("intact").GetBoolean());
            JsonElement difference = Assert.Single(json.RootElement.GetProperty("differences").EnumerateArray());
            Assert.Equal((name, problem), (difference.GetProperty("name").GetString(), difference.GetProperty("problem").GetString()));
        }
    }

    /// <summary>A template in a folder of its own is copied, named in the manifest, and no reason to refuse the checkpoint.</summary>
    [Fact]
    public void TemplatesInTheirFolderAreCopiedAndOpened()
    {
        string model = Path.Combine(_folder, "model"), templates = Path.Combine("additional_chat_templates", "tool_use.jinja");
        Directory.CreateDirectory(Path.Combine(model, "additional_chat_templates"));
        foreach (string file in Directory.EnumerateFiles(Model))
        {
            File.Copy(file, Path.Combine(model, Path.GetFileName(file)));
        }

        File.WriteAllText(Path.Combine(model, templates), "{{ messages }}");
        Assert.Equal(0, ToolRun.Here("quantize", model, "--method", "rtn", "--scheme", "W4A8", "--output", Output).Code);
        Assert.Equal("{{ messages }}", File.ReadAllText(Path.Combine(Output, templates)));
        Assert.Equal(0, ToolRun.Here("logits", Output, "--ids", "1").Code);
        Assert.Equal(0, ToolRun.Here("inspect", Output, "--verify").Code);
    }

    [Fact]
    public void OptionsThatAMethodDoesNotUseAreNamed()
    {
        ToolRun run = Quantize("rtn", "W8A8", "--damping", "0.1", "--samples", "4");
        Assert.Equal(0, run.Code);
        Assert.Equal(2, run.ErrorLines.Length);
        Assert.Contains("--samples", run.Error);
        Assert.Contains("--damping", run.Error);
    }

    /// <summary>Frozen from the build before format 2 and searched grids: SHA-256 of all shards in order, and of the manifest.</summary>
    [SkippableTheory]
    [InlineData("abq", "W3A8", "5e09b8ed155bb2c0", "5c43f4eefd6086db")]
    [InlineData("abq", "W2A8KV4", "c715f7aa5c3967e2", "e2c48b8dfc1fd5ec")]
    [InlineData("omniquant", "W3A8", "fcbd675e00756d33", "38f6cfc1cd2d804a")]
    [InlineData("omniquant", "W2A8KV4", "08714657f4c08deb", "ed70641b1332dbe6")]
    public void TrainedCheckpointsOfFormatOneOnMinMaxGridsAreThoseOfBefore(string method, string scheme, string shards, string manifest)
    {
        WideVectors.Require();
        Assert.Equal(0, Quantize(method, scheme, "--calibration", DemoModel.Text, "--samples", "2", "--context", "32", "--epochs", "1", "--grid", "minmax", "--format", "1").Code);
        Assert.Equal(shards, Hash(Directory.GetFiles(Output, "*.safetensors")));
        Assert.Equal(manifest, Hash(Path.Combine(Output, "manifest.json")));

        static string Hash(params string[] files)
        {
            using IncrementalHash hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            foreach (string file in files.Order(StringComparer.Ordinal))
            {
                hash.AppendData(File.ReadAllBytes(file));
            }

            return Convert.ToHexStringLower(hash.GetHashAndReset())[..16];
        }
    }

    /// <summary>A bad option of a method points at the page where the method's options are.</summary>
    [Theory]
    [InlineData("--damping must be a number within", "portable quantize --method gptq --help", "gptq", "--damping", "-1")]
    [InlineData("--arithmetic f16x3 needs a GPU", "portable quantize --method abq --help", "abq", "--arithmetic", "f16x3")]
    public void ABadOptionOfAMethodIsBadUsageAndNamesThePageThatSaysMore(string says, string page, string method, params string[] options)
    {
        ToolRun run = Quantize(method, "W4A8", ["--calibration", DemoModel.Text, "--samples", "1", "--context", "8", .. options]);
        Assert.Equal(2, run.Code);
        string line = Assert.Single(run.ErrorLines);
        Assert.Contains(says, line, StringComparison.Ordinal);
        Assert.EndsWith($"(try {page})", line, StringComparison.Ordinal);
        Assert.Empty(Directory.EnumerateFileSystemEntries(_folder));
    }

    /// <summary>A benchmark takes what the method does not use as the real command does.</summary>
    [Theory]
    [InlineData("--arithmetic", "auto")]
    [InlineData("--damping", "3")]
    public void AnOptionThatTheMethodDoesNotUseIsNamed(string option, string value)
    {
        ToolRun[] runs = [Quantize("rtn", "W4A8", option, value), ToolRun.Here("bench", "quantize", "--shape", "small-llama", "--method", "rtn", "--scheme", "W4A8", option, value, "--blocks", "1")];
        Assert.All(runs, run =>
        {
            Assert.Equal(0, run.Code);
            Assert.Contains($"warning: {option} is not used by --method rtn", run.ErrorLines);
        });
    }

    /// <summary>What needs no text is timed without one, as the real command runs, unless windows are asked for.</summary>
    [Theory]
    [InlineData(0, 0, "rtn", "W4A8")]
    [InlineData(0, 0, "flexq", "W6A8g128")]
    [InlineData(2, 8, "rtn", "W4A8", "--samples", "2", "--context", "8")]
    [InlineData(128, 8, "rtn", "W4A8", "--context", "8")]
    [InlineData(128, 8, "smoothquant", "W4A8", "--context", "8")]
    public void ABenchmarkCalibratesWhereTheRealCommandDoes(int windows, int context, string method, string scheme, params string[] options)
    {
        ToolRun run = ToolRun.Here(["bench", "quantize", "--shape", "small-llama", "--method", method, "--scheme", scheme, "--blocks", "1", "--json", .. options]);
        Assert.Equal(0, run.Code);
        Assert.Equal((windows, context), (run.Json().GetProperty("windows").GetInt32(), run.Json().GetProperty("context").GetInt32()));
    }

    /// <summary>The JSON of a benchmark says what its text says: what was asked of the method, and how long the whole shape would take.</summary>
    [Theory]
    [InlineData("""{"recipe":"paper"}""", "--recipe", "paper")]
    [InlineData("{}", "--recipe", "default")]
    public void ABenchmarksJsonHasTheOptionsAndTheWholeShapesTimes(string options, params string[] typed)
    {
        JsonElement json = ToolRun.Here(["bench", "quantize", "--shape", "small-llama", "--method", "flexq", "--scheme", "W6A8g128", "--blocks", "2", "--json", .. typed]).Json();
        Assert.Equal(options, json.GetProperty("options").GetRawText());
        double[] blocks = [.. json.GetProperty("block_seconds").EnumerateArray().Select(s => s.GetDouble())];
        Assert.Equal(6 * blocks[0], json.GetProperty("whole_seconds_as_first").GetDouble(), 9);
        Assert.Equal(json.GetProperty("preparation_seconds").GetDouble() + blocks[0] + (5 * blocks[1]), json.GetProperty("whole_seconds_as_later").GetDouble(), 9);
    }

    /// <summary>What a benchmark times is what the model of that shape gets: down_proj is 24.44 % of its multiply-adds.</summary>
    [Theory]
    [InlineData("default")]
    [InlineData("paper")]
    public void ABenchmarkOfFlexQHasTheBudgetOfTheShape(string recipe)
    {
        ToolRun run = ToolRun.Here("bench", "quantize", "--shape", "small-llama", "--method", "flexq", "--scheme", "W6A6g128", "--recipe", recipe, "--samples", "1", "--context", "16", "--blocks", "1", "--json");
        Assert.Equal(0, run.Code);
        Assert.Contains("budget 24.44 %", run.Error, StringComparison.Ordinal);
        Assert.DoesNotContain(" 0 layers", run.Error, StringComparison.Ordinal);
    }

    /// <summary>Windows of a benchmark fit the shape by themselves.</summary>
    [Fact]
    public void ABenchmarksWindowsAreNoLongerThanTheShapesContext()
    {
        ToolRun run = ToolRun.Here("bench", "quantize", "--shape", "small-llama", "--method", "rtn", "--scheme", "W4A8", "--samples", "1", "--blocks", "1", "--json");
        Assert.Equal(1024, run.Json().GetProperty("context").GetInt32());
    }

    [SkippableFact]
    public void OptionsThatOthersSwitchOffAreNamed()
    {
        WideVectors.Require();
        ToolRun run = Quantize("abq", "W4A8", "--calibration", DemoModel.Text, "--samples", "1", "--context", "8", "--epochs", "1", "--clipping", "off", "--grid", "search");
        Assert.Equal(0, run.Code);
        Assert.Contains("the option grid is not used while clipping is off", run.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("W8A8", false)]
    [InlineData("W4A4", true)]
    public void FlattenSpeaksOfInt4WhereThereMayBeSome(string scheme, bool said)
    {
        ToolRun run = Quantize("flatten", scheme, "--calibration", DemoModel.Text, "--samples", "1", "--context", "16", "--json");
        Assert.Equal(0, run.Code);
        Assert.Equal(said, run.Error.Contains("INT4 on", StringComparison.Ordinal));
    }

    [Fact]
    public void FailuresLeaveNothingBehind()
    {
        ToolRun run = ToolRun.Here("quantize", Path.Combine(_folder, "nothing"), "--method", "rtn", "--scheme", "W4A8", "--output", Output);
        Assert.Equal(1, run.Code);
        Assert.Single(run.ErrorLines);
        Assert.False(Directory.Exists(Output));
    }

    private ToolRun Quantize(string method, string scheme, params string[] more) =>
        ToolRun.Here(["quantize", Model, "--method", method, "--scheme", scheme, "--output", Output, .. more]);
}
