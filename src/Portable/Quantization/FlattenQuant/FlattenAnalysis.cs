using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Algorithms.FlattenQuant;

namespace Portable.Quantization.FlattenQuant;

/// <summary>
/// The first pass over the float model: channel maxima of every input, and the divergence of every fused group's outputs at
/// 4 and at 8 bits (weights rounded to nearest), on windows that the maxima did not see.
/// </summary>
internal static class FlattenAnalysis
{
    private const string State = "flatten-analysis";

    public static IReadOnlyList<FlattenFinding> Run(QuantizationContext context, FlattenSettings settings)
    {
        if (context.Recall(State) is JsonArray kept)
        {
            return [.. kept.Select(n => FlattenFinding.FromJson(n!))];
        }

        ModelConfig config = context.Source.Config;
        IReadOnlyList<int[]> all = context.Calibration!.Windows, held = context.Calibration.ReportWindows;
        using BlockStream maximaStream = context.OpenStream(all.Count >= 4 * held.Count ? [.. all.Skip(held.Count)] : all, 32);
        using BlockStream heldStream = context.OpenStream(held, 32);
        List<FlattenFinding> findings = [];
        for (int index = 0; index < config.Layers; index++)
        {
            context.Progress("channel maxima and divergences", index, config.Layers);
            BlockWeights block = context.Source.LoadBlock(index);
            Dictionary<BlockInput, ChannelMaxima> maxima = BlockInputs.All.ToDictionary(i => i, i => new ChannelMaxima(config.Columns(i)));
            Dictionary<BlockInput, MagnitudeHistograms> histograms = BlockInputs.All.ToDictionary(i => i, i => new MagnitudeHistograms(config.Columns(i)));
            maximaStream.Advance(block, (input, values, rows) =>
            {
                maxima[input].Add(values);
                histograms[input].Add(values);
            });
            Dictionary<BlockInput, List<float>> inputs = BlockInputs.All.ToDictionary(i => i, _ => new List<float>());
            heldStream.Advance(block, (input, values, rows) => inputs[input].AddRange(values));
            Dictionary<BlockInput, InputStatistics> statistics = BlockInputs.All.ToDictionary(i => i, i => new InputStatistics(maxima[i].Values, histograms[i], [.. inputs[i]]));
            ExactOutputs exact = new();
            FlattenTrial Trial(IReadOnlySet<BlockInput> folded, int bits) => new(block, config, settings, statistics, exact, folded, bits);
            IReadOnlySet<BlockInput> folded = Folded(settings, Trial);
            FlattenTrial? low = settings.Mixed ? Trial(folded, 4) : null;
            FlattenTrial high = Trial(folded, 8);
            foreach (BlockInput input in BlockInputs.All)
            {
                long work = block.Reading(input).Sum(l => (long)l.OutputFeatures * l.InputFeatures());
                findings.Add(new FlattenFinding(
                    index,
                    input,
                    work,
                    statistics[input].Maxima,
                    low?.Ranges[input],
                    high.Ranges[input],
                    FlexQ.SensitivityTable.Rounded(low?.Compare(input).Divergence ?? 0),
                    FlexQ.SensitivityTable.Rounded(high.Compare(input).Divergence),
                    folded.Contains(input)));
            }
        }

        context.Progress("channel maxima and divergences", config.Layers, config.Layers);
        if (settings.UsesModelDivergence)
        {
            double[] divergences = ModelDivergences.Measure(context, settings, findings);
            findings = [.. findings.Select((f, i) => f with { ModelDivergence = divergences[i] })];
        }

        context.Keep(State, new JsonArray([.. findings.Select(f => f.ToJson())]));
        return findings;
    }

    /// <summary>
    /// Which of o's and down's inputs are smoothed into v's and up's rows: where the two groups concerned lose less together.
    /// Folding evens out the input's channels but not always the rows of the matrix before, which has one scale.
    /// </summary>
    private static IReadOnlySet<BlockInput> Folded(FlattenSettings settings, Func<IReadOnlySet<BlockInput>, int, FlattenTrial> trial)
    {
        HashSet<BlockInput> both = [BlockInput.Output, BlockInput.Down];
        if (settings.FoldWhere != "auto")
        {
            return settings.FoldWhere == "on" ? both : [];
        }

        int bits = settings.Mixed ? 4 : 8;
        FlattenTrial with = trial(both, bits), without = trial(new HashSet<BlockInput>(), bits);
        double Loss(FlattenTrial t, BlockInput first, BlockInput second)
        {
            double a = t.Compare(first).Error, b = t.Compare(second).Error;
            return a * a + b * b;
        }

        both.RemoveWhere(input =>
        {
            BlockInput producer = input == BlockInput.Down ? BlockInput.Mlp : BlockInput.Attention;
            return Loss(with, producer, input) >= Loss(without, producer, input);
        });
        return both;
    }
}
