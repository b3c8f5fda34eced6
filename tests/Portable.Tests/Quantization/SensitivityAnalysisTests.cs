using Portable.Calibration;
using Portable.Quantization;
using Portable.Quantization.FlexQ;
using Portable.Reference.Quantization;
using Portable.Tests.Support;
using Xunit;

namespace Portable.Tests.Quantization;

public class SensitivityAnalysisTests
{
    // However many variants go through the blocks together: the same divergences, to the last digit.
    [Theory]
    [InlineData("best")]
    [InlineData("layer")]
    public void VariantsSideBySideGiveTheTableOfEachAlone(string unit)
    {
        SensitivityTable[] tables = [.. new[] { 0, 1 << 16, 1 << 30 }.Select(bytes => Run(new SensitivityOptions(0.3, unit) { MostBytes = bytes }))];
        Assert.All(tables, t => Assert.Equal(tables[0].ToJson().ToJsonString(), t.ToJson().ToJsonString()));
        Assert.Contains(tables[0].Layers, row => row.Gain > 0);
    }

    /// <summary>The linear that the authors retain is known by its place in the block: a model may name it anything.</summary>
    [Fact]
    public void TheAuthorsRuleGoesByTheLinearsPlace()
    {
        SensitivityTable table = Run(new SensitivityOptions(null, "type"));
        Assert.Equal(table.Types.Single(row => row.Name == "down").Share, table.Budget, 12);
        Assert.NotEmpty(table.Retained);
    }

    private static SensitivityTable Run(SensitivityOptions options)
    {
        RandomModel model = new(RandomModel.Llama(layers: 3), 32, 8, null);
        Random random = new(5);
        int[] tokens = [.. Enumerable.Range(0, 200).Select(_ => random.Next(model.Config.VocabularySize))];
        using StreamStorage storage = new(Path.Combine(Path.GetTempPath(), $"portable-analysis-{Guid.NewGuid():N}"));
        return SensitivityAnalysis.Run(
            new QuantizationContext
            {
                Source = model,
                Scheme = QuantizationScheme.Parse("W4A4g32"),
                Options = new MethodOptions { Samples = 4, Context = 24 },
                Calibration = CalibrationSet.FromTokens(tokens, 4, 24, 0),
                Storage = storage,
                Recall = _ => null,
                Keep = (_, _) => { },
                Say = _ => { },
                Warn = _ => { },
                Progress = (_, _, _) => { },
                Cancellation = CancellationToken.None,
            },
            options);
    }
}
