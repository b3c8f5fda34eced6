using Portable.Checkpoints.Format;
using Portable.Models;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.Quantization;

/// <summary>What the methods promise on trained weights: the bundled model, calibrated on one half of the bundled text and scored on the other.</summary>
public class TrainedModelTests
{
    private static readonly Lazy<double> Exact = new(() => Perplexity(m => m));

    public TrainedModelTests() => WideVectors.Require();

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void RescalingKeepsTheFloatModelAndRuinsPerTensorRounding(bool rows)
    {
        Assert.InRange(Perplexity(m => new RescaledModel(m, rows)) / Exact.Value, 0.9999, 1.0001);
        double before = Perplexity(m => new PerTensorModel(m, DemoModel.Calibration())), after = Perplexity(m => new PerTensorModel(new RescaledModel(m, rows), DemoModel.Calibration()));
        Assert.True(after > 1.2 * Exact.Value && after > 1.2 * before, $"float {Exact.Value}, round to nearest {before}, rescaled {after}");
    }

    [SkippableTheory]
    [InlineData(false)]
    [InlineData(true)]
    public void FlattenAtEightBitsChangesByLessThanTwoPercent(bool rows)
    {
        double before = Perplexity(m => Quantize("flatten", m)), after = Perplexity(m => Quantize("flatten", new RescaledModel(m, rows)));
        Assert.InRange(before / Exact.Value, 0.98, 1.02);
        Assert.True(Math.Abs(after / before - 1) < 0.02, $"float {Exact.Value}, flatten {before}, rescaled {after}");
    }

    [SkippableFact]
    public void SmoothQuantStaysWithinTwoPercentOfFloatWithLargeGains() =>
        Assert.InRange(Perplexity(m => Quantize("smoothquant", new RescaledModel(m, rows: false))) / Exact.Value, 0.98, 1.02);

    [SkippableTheory]
    [InlineData("W3A16g128")]
    [InlineData("W2A16g128")]
    public void GptqLosesLessThanRoundToNearestInEveryLayer(string scheme)
    {
        using IModelSource model = DemoModel.Open();
        LayerReport[] nearest = Reports("rtn", model, scheme), compensated = Reports("gptq", model, scheme);
        Assert.All(nearest.Zip(compensated), pair => Assert.True(pair.Second.OutputError < pair.First.OutputError, $"{pair.First.Name}: {pair.Second.OutputError} against {pair.First.OutputError}"));
    }

    /// <summary>The default of each method against the same with min-max grids, which is the published method.</summary>
    [SkippableTheory]
    [InlineData("rtn", "W3A8")]
    [InlineData("gptq", "W3A8g128")]
    public void SearchedGridsLoseLessThanTheWholeRange(string method, string scheme)
    {
        double Loss(string grid) => Math.Log(Perplexity(m => MethodRun.Quantize(method, m, scheme: scheme, named: new() { ["grid"] = grid }, calibration: DemoModel.Calibration(12)).Source) / Exact.Value);
        double searched = Loss("search"), whole = Loss("minmax");
        Assert.True(searched < 0.9 * whole, $"nats lost: searched {searched}, min-max {whole}");
    }

    private static LayerReport[] Reports(string method, IModelSource model, string scheme) =>
        [.. MethodRun.Quantize(method, model, scheme: scheme, named: new() { ["grid"] = "minmax" }, calibration: DemoModel.Calibration()).Reports.SelectMany(r => r)];

    private static IModelSource Quantize(string method, IModelSource model) => MethodRun.Quantize(method, model, scheme: "W8A8", calibration: DemoModel.Calibration()).Source;

    private static double Perplexity(Func<IModelSource, IModelSource> variant)
    {
        using IModelSource model = DemoModel.Open();
        return DemoModel.Perplexity(variant(model));
    }
}
