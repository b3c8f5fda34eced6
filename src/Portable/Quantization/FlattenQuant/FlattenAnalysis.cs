using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Models;
using Portable.Reference.Algorithms.Baselines;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Arithmetic;
using Portable.Reference.BitPlanes;
using Portable.Reference.Operations;
using Portable.Reference.Quantization;

namespace Portable.Quantization.FlattenQuant;

/// <summary>What the first pass found out about the linears that read one input.</summary>
/// <param name="Block">Index of the block.</param>
/// <param name="Input">The input.</param>
/// <param name="MultiplyAdds">Original multiply-adds per token.</param>
/// <param name="Maxima">max|X_j| of the float model, before smoothing.</param>
/// <param name="Low">KL of the outputs at 4 bits.</param>
/// <param name="High">KL of the outputs at 8 bits.</param>
/// <param name="FlattenHigh">Whether flattening helps at 8 bits by at least 5 % of the output error.</param>
internal sealed record FlattenFinding(int Block, BlockInput Input, long MultiplyAdds, float[] Maxima, double Low, double High, bool FlattenHigh)
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
    };

    public static FlattenFinding FromJson(JsonNode json) => new(
        json["block"]!.GetValue<int>(),
        Enum.Parse<BlockInput>(json["input"]!.GetValue<string>()),
        json["multiply_adds"]!.GetValue<long>(),
        [.. json["maxima"]!.AsArray().Select(m => (float)m!.GetValue<double>())],
        json["kl4"]!.GetValue<double>(),
        json["kl8"]!.GetValue<double>(),
        json["flatten8"]!.GetValue<bool>());
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
            Dictionary<BlockInput, float[]> smoothed = maxima.ToDictionary(m => m.Key, m => (float[])m.Value.Values.Clone());
            ScaledBlock scaled = settings.Smooth(block, config, smoothed);
            foreach (BlockInput input in BlockInputs.All)
            {
                IReadOnlyList<LinearWeights> linears = block.Reading(input);
                float[] x = [.. inputs[input]];
                if (scaled.InputFactors.TryGetValue(linears[0].Name, out float[]? factors))
                {
                    x = Smoothing.Scale(x, factors, divide: true);
                }

                float[][] exact = [.. linears.Select(l => Outputs(x, scaled.Weights(l), l.OutputFeatures))];
                FlattenPlan Plan(int bits, FlattenOptions options) => FlattenPlan.Create(smoothed[input], scaled.WeightMaxima(input), bits, options);
                (double low, _) = settings.Mixed ? Compare(Plan(4, settings.Flatten)) : (0, 0);
                (double high, double error) = Compare(Plan(8, settings.Flatten));
                (_, double plain) = Compare(Plan(8, new FlattenOptions(settings.Flatten.Beta, false, 1)));
                findings.Add(new FlattenFinding(index, input, linears.Sum(l => (long)l.OutputFeatures * l.InputFeatures()), maxima[input].Values, low, high, plain > 1.05 * error));

                (double Divergence, double Error) Compare(FlattenPlan plan)
                {
                    HistogramDivergence histograms = new(exact.Min(y => y.Min()), exact.Max(y => y.Max()));
                    double difference = 0, norm = 0;
                    foreach ((LinearWeights linear, float[] y) in linears.Zip(exact))
                    {
                        QuantizedLinear layer = FlattenedBlock.RoundToNearest(plan, scaled.Weights(linear), linear.OutputFeatures).Pack(null);
                        float[] approximate = FlattenedBlock.Outputs(x, layer, smoothed[input].Length);
                        histograms.Add(y, approximate);
                        for (int i = 0; i < y.Length; i++)
                        {
                            double e = approximate[i] - (double)y[i];
                            difference += e * e;
                            norm += (double)y[i] * y[i];
                        }
                    }

                    return (FlexQ.SensitivityTable.Rounded(histograms.Divergence()), Math.Sqrt(difference / Math.Max(norm, double.Epsilon)));
                }
            }
        }

        context.Progress("channel maxima and divergences", config.Layers, config.Layers);
        context.Keep(State, new JsonArray([.. findings.Select(f => f.ToJson())]));
        return findings;
    }

    private static float[] Outputs(float[] x, float[] weights, int rows)
    {
        int columns = weights.Length / rows, tokens = x.Length / columns;
        float[] y = new float[tokens * rows];
        FloatGemm.Multiply(x, weights, y, tokens, rows, columns);
        return y;
    }
}

/// <summary>Layers of a flattened block.</summary>
internal static class FlattenedBlock
{
    /// <summary>Wide codes by rounding each weight half away from zero.</summary>
    public static FlattenedLinear RoundToNearest(FlattenPlan plan, float[] weights, int rows)
    {
        int columns = weights.Length / rows;
        short[] codes = new short[weights.Length];
        WeightGrid[] grids = [.. Enumerable.Range(0, columns).Select(j => FlattenedLinear.Grid(plan, j))];
        for (int i = 0; i < codes.Length; i++)
        {
            codes[i] = (short)grids[i % columns].Encode(weights[i], Rounding.HalfAway);
        }

        return new FlattenedLinear(plan, rows, codes);
    }

    /// <summary>What the layer will give for smoothed inputs, by the kernels that serve it.</summary>
    public static float[] Outputs(float[] x, QuantizedLinear layer, int columns)
    {
        int tokens = x.Length / columns;
        QuantizedActivations codes = new(tokens, layer.Weights.Layout, layer.Input.Format, groupScales: false);
        ActivationQuantization.Quantize(x, tokens, columns, layer.Input, codes);
        float[] y = new float[tokens * layer.OutputFeatures];
        BitMatmul.Multiply(codes, layer, y, layer.OutputFeatures);
        return y;
    }
}
