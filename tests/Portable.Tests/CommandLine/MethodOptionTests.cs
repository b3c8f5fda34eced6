using System.Text.Json;
using Portable.Quantization;
using Portable.Quantization.Runs;
using Portable.Reference.Quantization;
using Portable.Tests.Support;

namespace Portable.Tests.CommandLine;

/// <summary>Options of methods: refused before anything is read, and told by <c>portable inspect</c>.</summary>
public sealed class MethodOptionTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory("portable-options-").FullName;

    public static TheoryData<string> Methods => [.. QuantizationMethods.All.Select(m => m.Name)];

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    /// <summary>Neither the model nor the text is there: whoever looked for them would say so.</summary>
    [Theory]
    [MemberData(nameof(Methods))]
    public void EveryOptionIsCheckedBeforeAnythingIsRead(string method)
    {
        foreach (MethodOption option in QuantizationMethods.Find(method).Options)
        {
            ToolRun run = Quantize(method, "--" + option.Name, "nonsense");
            Assert.Equal(2, run.Code);
            Assert.StartsWith($"error: --{option.Name} ", Assert.Single(run.ErrorLines), StringComparison.Ordinal);
            QuantizationRequest request = new()
            {
                Model = Path.Combine(_folder, "nothing"),
                Method = method,
                Scheme = QuantizationScheme.Parse(SchemeOf(method)),
                Output = Path.Combine(_folder, "out"),
                Options = new MethodOptions { CalibrationText = "", Named = new Dictionary<string, string> { [option.Name] = "nonsense" } },
            };
            Assert.Equal(option.Name, Assert.Throws<MethodUsageException>(() => QuantizationRun.Run(request)).Option);
        }
    }

    [Theory]
    [InlineData("--int4-budget must be", "flatten", "--int4-budget", "2")]
    [InlineData("--max-expansion must be", "flatten", "--max-expansion", "0.5")]
    [InlineData("--alpha must be", "smoothquant", "--alpha", "2")]
    [InlineData("--damping must be", "gptq", "--damping", "-1")]
    [InlineData("--samples must be", "gptq", "--samples", "0")]
    [InlineData("--context must be", "gptq", "--context", "1")]
    [InlineData("--format 3 is none", "gptq", "--format", "3")]
    public void RangesAreCheckedBeforeAnythingIsRead(string says, string method, params string[] options)
    {
        ToolRun run = Quantize(method, options);
        Assert.Equal(2, run.Code);
        Assert.StartsWith("error: " + says, Assert.Single(run.ErrorLines), StringComparison.Ordinal);
    }

    [Fact]
    public void InspectTellsHowACheckpointWasMade()
    {
        string output = Path.Combine(_folder, "out");
        Assert.Equal(0, ToolRun.Here("quantize", DemoModel.Directory, "--method", "gptq", "--scheme", "W4A8", "--output", output, "--calibration", DemoModel.Text, "--samples", "2", "--context", "16", "--seed", "5", "--damping", "0.02", "--grid", "minmax").Code);
        using JsonDocument manifest = JsonDocument.Parse(File.ReadAllText(Path.Combine(output, "manifest.json")));
        JsonElement made = ToolRun.Here("inspect", output, "--json").Json().GetProperty("made_by"), calibration = made.GetProperty("calibration");
        Assert.Equal(("gptq", "W4A8", 2), (made.GetProperty("method").GetString(), made.GetProperty("scheme").GetString(), made.GetProperty("format").GetInt32()));
        Assert.Equal((2, 16, 5), (calibration.GetProperty("samples").GetInt32(), calibration.GetProperty("context").GetInt32(), calibration.GetProperty("seed").GetInt32()));
        string hash = Convert.ToHexStringLower(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(DemoModel.Text)));
        Assert.Equal(hash, calibration.GetProperty("sha256").GetString());

        // minmax is what manifests leave out.
        Assert.Equal(["grid minmax", "act-order on", "damping 0.02"], made.GetProperty("options").EnumerateObject().Select(o => $"{o.Name} {o.Value}"));
        Assert.Equal(manifest.RootElement.GetProperty("contract").GetInt32(), made.GetProperty("contract").GetInt32());
        Assert.Equal(string.Concat(manifest.RootElement.GetProperty("inputs").GetRawText().Where(c => !char.IsWhiteSpace(c))), made.GetProperty("inputs").GetRawText());

        string text = string.Join(' ', ToolRun.Here("inspect", output).Output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries));
        Assert.Contains("made by --method gptq --scheme W4A8 --format 2 --grid minmax --act-order on --damping 0.02 calibration: --samples 2 --context 16 --seed 5, text of SHA-256 " + hash, text, StringComparison.Ordinal);
        Assert.Contains($"inputs (SHA-256): config.json {made.GetProperty("inputs").GetProperty("config.json").GetString()![..12]}", text, StringComparison.Ordinal);
        Assert.Contains("float contract ", text, StringComparison.Ordinal);
    }

    [Fact]
    public void WithoutCalibrationInspectSaysSoAndAFloatModelWasMadeByNobody()
    {
        string output = Path.Combine(_folder, "out");
        Assert.Equal(0, ToolRun.Here("quantize", DemoModel.Directory, "--method", "rtn", "--scheme", "W4A8", "--output", output).Code);
        Assert.False(ToolRun.Here("inspect", output, "--json").Json().GetProperty("made_by").TryGetProperty("calibration", out _));
        Assert.Contains("calibration: none", ToolRun.Here("inspect", output).Output, StringComparison.Ordinal);
        Assert.False(ToolRun.Here("inspect", DemoModel.Directory, "--json").Json().TryGetProperty("made_by", out _));
        Assert.DoesNotContain("made by", ToolRun.Here("inspect", DemoModel.Directory).Output, StringComparison.Ordinal);
    }

    /// <summary>Training's recipe and arithmetic are options like others, by their names, whoever made the manifest.</summary>
    [SkippableFact]
    public void RecipeAndArithmeticAreTold()
    {
        WideVectors.Require();
        string output = Path.Combine(_folder, "out");
        Assert.Equal(0, ToolRun.Here("quantize", DemoModel.Directory, "--method", "abq", "--scheme", "W4A8", "--output", output, "--calibration", DemoModel.Text, "--samples", "1", "--context", "8", "--epochs", "1", "--recipe", "paper").Code);
        Assert.Contains("--recipe paper --epochs 1 --arithmetic f32", string.Join(' ', ToolRun.Here("inspect", output).Output.Split((char[]?)null, StringSplitOptions.RemoveEmptyEntries)), StringComparison.Ordinal);
        string path = Path.Combine(output, "manifest.json");
        File.WriteAllText(path, File.ReadAllText(path).Replace("\"recipe\": \"paper\"", "\"recipe\": \"paper\", \"arithmetic\": \"f16x3\", \"later\": 3", StringComparison.Ordinal));
        JsonElement options = ToolRun.Here("inspect", output, "--json").Json().GetProperty("made_by").GetProperty("options");
        Assert.Equal(("f16x3", "3"), (options.GetProperty("arithmetic").GetString(), options.GetProperty("later").GetString()));
    }

    private static string SchemeOf(string method) => method switch { "flatten" => "W4A4", "flexq" => "W6A6g128", _ => "W4A8" };

    private ToolRun Quantize(string method, params string[] options) =>
        ToolRun.Here(["quantize", Path.Combine(_folder, "nothing"), "--method", method, "--scheme", SchemeOf(method), "--calibration", Path.Combine(_folder, "no-text"), "--output", Path.Combine(_folder, "out"), .. options]);
}
