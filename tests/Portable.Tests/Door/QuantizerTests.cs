using Portable.Quantization;
using Portable.Quantization.Runs;
using Portable.Reference.Quantization;
using Portable.Tests.Support;

namespace Portable.Tests.Door;

public sealed class QuantizerTests : IDisposable
{
    private readonly string _directory = Directory.CreateTempSubdirectory("portable-quantizer").FullName;

    [Fact]
    public void WhatItMakesCanBeOpenedAndMeasured()
    {
        QuantizationResult result = Quantizer("w8").Run();
        Assert.True(result.BytesAfter < result.BytesBefore);
        Assert.All(result.Layers, l => Assert.InRange(l.Error, 0, 0.02));
        string text = File.ReadAllText(DemoModel.Text);
        using LanguageModel exact = LanguageModel.Open(DemoModel.Directory), quantized = LanguageModel.Open(Path.Combine(_directory, "w8"));
        Assert.InRange(quantized.Perplexity(text, 64, 4).MeanNll, 0, exact.Perplexity(text, 64, 4).MeanNll + 0.05);
    }

    [Fact]
    public async Task ACancelledRunGoesOnToTheSameBytes()
    {
        using var cancellation = new CancellationTokenSource();
        await Assert.ThrowsAnyAsync<OperationCanceledException>(() => Quantizer("stopped").RunAsync(new Stop(cancellation), cancellation.Token));
        Quantizer("stopped").Run();
        Quantizer("whole").Run();
        Assert.Equal(Files("whole"), Files("stopped"));
    }

    [Fact]
    public void AMethodIsAValueWithItsOptions()
    {
        QuantizationMethod method = QuantizationMethod.Gptq.With("damping", "0.05");
        Assert.Equal("0.05", method.Settings["damping"]);
        Assert.Empty(QuantizationMethod.Gptq.Settings);
        Assert.Equal(QuantizationMethod.All.Select(m => m.Name), QuantizationMethod.All.Select(m => QuantizationMethod.Parse(m.Name).Name));
        Assert.Throws<MethodUsageException>(() => QuantizationMethod.Parse("gguf"));
        Assert.Contains("damping", Assert.Throws<MethodUsageException>(() => (Quantizer("refused") with { Method = method.With("damping", "much"), CalibrationText = File.ReadAllText(DemoModel.Text), CalibrationWindows = 1, CalibrationContext = 8 }).Run()).Message, StringComparison.Ordinal);
    }

    public void Dispose() => Directory.Delete(_directory, recursive: true);

    private Quantizer Quantizer(string output) => new()
    {
        Source = DemoModel.Directory,
        Method = QuantizationMethod.RoundToNearest,
        Scheme = QuantizationScheme.Parse("W8A8"),
        Output = Path.Combine(_directory, output),
    };

    private IEnumerable<(string, string)> Files(string name) =>
        Directory.EnumerateFiles(Path.Combine(_directory, name)).Order(StringComparer.Ordinal).Select(f => (Path.GetFileName(f), Convert.ToHexString(System.Security.Cryptography.SHA256.HashData(File.ReadAllBytes(f)))));

    /// <summary>Cancels after the first block.</summary>
    private sealed class Stop(CancellationTokenSource cancellation) : IProgress<QuantizationProgress>
    {
        public void Report(QuantizationProgress value)
        {
            if (value is { Stage: "blocks", Done: 1 })
            {
                cancellation.Cancel();
            }
        }
    }
}
