using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Models;

namespace Portable.Quantization.FlattenQuant;

/// <summary>What the first pass found out about the linears that read one input.</summary>
/// <param name="Block">Index of the block.</param>
/// <param name="Input">The input.</param>
/// <param name="MultiplyAdds">Original multiply-adds per token.</param>
/// <param name="Maxima">max|X_j| of the float model, before smoothing.</param>
/// <param name="Low">KL of the outputs at 4 bits.</param>
/// <param name="High">KL of the outputs at 8 bits.</param>
/// <param name="FlattenHigh">Whether flattening helps at 8 bits by at least 5 % of the output error.</param>
/// <param name="Folded">Whether the input is smoothed into the rows of the linear before it (o and down only).</param>
/// <param name="ModelLow">KL of the model's next-token distribution with this group alone at 4 bits; 0 where it was not asked for.</param>
internal sealed record FlattenFinding(int Block, BlockInput Input, long MultiplyAdds, float[] Maxima, double Low, double High, bool FlattenHigh, bool Folded, double ModelLow = 0)
{
    public JsonObject ToJson() => new()
    {
        ["block"] = Block,
        ["input"] = Input.ToString(),
        ["multiply_adds"] = MultiplyAdds,
        ["maxima"] = new JsonArray([.. Maxima.Select(m => (JsonNode)(double)m)]),
        ["kl4"] = Low,
        ["kl8"] = High,
        ["flatten8"] = FlattenHigh,
        ["folded"] = Folded,
        ["model_kl4"] = ModelLow,
    };

    public static FlattenFinding FromJson(JsonNode json) => new(
        json["block"]!.GetValue<int>(),
        Enum.Parse<BlockInput>(json["input"]!.GetValue<string>()),
        json["multiply_adds"]!.GetValue<long>(),
        [.. json["maxima"]!.AsArray().Select(m => (float)m!.GetValue<double>())],
        json["kl4"]!.GetValue<double>(),
        json["kl8"]!.GetValue<double>(),
        json["flatten8"]!.GetValue<bool>(),
        json["folded"]!.GetValue<bool>(),
        json["model_kl4"]!.GetValue<double>());
}

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
            maximaStream.Advance(block, (input, values, rows) => maxima[input].Add(values));
            Dictionary<BlockInput, List<float>> inputs = BlockInputs.All.ToDictionary(i => i, _ => new List<float>());
            heldStream.Advance(block, (input, values, rows) => inputs[input].AddRange(values));
            Dictionary<BlockInput, float[]> raw = maxima.ToDictionary(m => m.Key, m => m.Value.Values);
            FlattenTrial Trial(IReadOnlySet<BlockInput> folded) => new(block, config, settings, raw, inputs.ToDictionary(i => i.Key, i => i.Value.ToArray()), folded);
            IReadOnlySet<BlockInput> folded = Folded(settings, Trial);
            FlattenTrial trial = Trial(folded);
            foreach (BlockInput input in BlockInputs.All)
            {
                (double low, _) = settings.Mixed ? trial.Compare(input, 4) : (0, 0);
                (double high, double error) = trial.Compare(input, 8);
                (_, double plain) = trial.Compare(input, 8, flatten: false);
                long work = block.Reading(input).Sum(l => (long)l.OutputFeatures * l.InputFeatures());
                findings.Add(new FlattenFinding(index, input, work, raw[input], FlexQ.SensitivityTable.Rounded(low), FlexQ.SensitivityTable.Rounded(high), plain > 1.05 * error, folded.Contains(input)));
            }
        }

        context.Progress("channel maxima and divergences", config.Layers, config.Layers);
        if (settings.UsesModelDivergence)
        {
            double[] divergences = ModelDivergences.Measure(context, settings, findings);
            findings = [.. findings.Select((f, i) => f with { ModelLow = divergences[i] })];
        }

        context.Keep(State, new JsonArray([.. findings.Select(f => f.ToJson())]));
        return findings;
    }

    /// <summary>
    /// Which of o's and down's inputs are smoothed into v's and up's rows: where the two groups concerned lose less together.
    /// Folding evens out the input's channels but not always the rows of the matrix before, which has one scale.
    /// </summary>
    private static IReadOnlySet<BlockInput> Folded(FlattenSettings settings, Func<IReadOnlySet<BlockInput>, FlattenTrial> trial)
    {
        HashSet<BlockInput> both = [BlockInput.Output, BlockInput.Down];
        if (settings.Fold != "auto")
        {
            return settings.Fold == "on" ? both : [];
        }

        FlattenTrial with = trial(both), without = trial(new HashSet<BlockInput>());
        int bits = settings.Mixed ? 4 : 8;
        double Loss(FlattenTrial t, BlockInput first, BlockInput second)
        {
            double a = t.Compare(first, bits).Error, b = t.Compare(second, bits).Error;
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
