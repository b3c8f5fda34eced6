using Portable.Quantization;
using Portable.Quantization.Runs;
using Portable.Reference.Quantization;
using Portable.Tests.Support;

namespace Portable.Tests.CommandLine;

/// <summary>Options of methods: refused before anything is read.</summary>
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

    private static string SchemeOf(string method) => method switch { "flatten" => "W4A4", "flexq" => "W6A6g128", _ => "W4A8" };

    private ToolRun Quantize(string method, params string[] options) =>
        ToolRun.Here(["quantize", Path.Combine(_folder, "nothing"), "--method", method, "--scheme", SchemeOf(method), "--calibration", Path.Combine(_folder, "no-text"), "--output", Path.Combine(_folder, "out"), .. options]);
}
