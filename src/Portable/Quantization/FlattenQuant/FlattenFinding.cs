using System.Text.Json.Nodes;
using Portable.Models;
using Portable.Reference.Algorithms.FlattenQuant;
using Portable.Reference.Blocks;

namespace Portable.Quantization.FlattenQuant;

/// <summary>What the first pass found out about the linears that read one input.</summary>
/// <param name="Block">Index of the block.</param>
/// <param name="Input">The input.</param>
/// <param name="MultiplyAdds">Original multiply-adds per token.</param>
/// <param name="Maxima">max|X_j| of the float model, before smoothing.</param>
/// <param name="Low">Ranges at 4 bits; null where all is INT8.</param>
/// <param name="High">Ranges at 8 bits.</param>
/// <param name="LowDivergence">KL of the outputs at 4 bits.</param>
/// <param name="HighDivergence">KL of the outputs at 8 bits.</param>
/// <param name="Folded">Whether the input is smoothed into the rows of the linear before it (o and down only).</param>
/// <param name="ModelDivergence">KL of the model's next-token distribution with this group alone at 4 bits; 0 where it was not asked for.</param>
internal sealed record FlattenFinding(
    int Block,
    BlockInput Input,
    long MultiplyAdds,
    float[] Maxima,
    FlattenRanges? Low,
    FlattenRanges High,
    double LowDivergence,
    double HighDivergence,
    bool Folded,
    double ModelDivergence = 0)
{
    public FlattenRanges Ranges(bool low) => low ? Low! : High;

    public JsonObject ToJson() => new()
    {
        ["block"] = Block,
        ["input"] = Input.ToString(),
        ["multiply_adds"] = MultiplyAdds,
        ["maxima"] = Numbers(Maxima),
        ["low"] = Low is null ? null : ToJson(Low),
        ["high"] = ToJson(High),
        ["kl4"] = LowDivergence,
        ["kl8"] = HighDivergence,
        ["folded"] = Folded,
        ["model_kl4"] = ModelDivergence,
    };

    public static FlattenFinding FromJson(JsonNode json) => new(
        json["block"]!.GetValue<int>(),
        Enum.Parse<BlockInput>(json["input"]!.GetValue<string>()),
        json["multiply_adds"]!.GetValue<long>(),
        Singles(json["maxima"]!),
        json["low"] is { } low ? RangesFromJson(low) : null,
        RangesFromJson(json["high"]!),
        json["kl4"]!.GetValue<double>(),
        json["kl8"]!.GetValue<double>(),
        json["folded"]!.GetValue<bool>(),
        json["model_kl4"]!.GetValue<double>());

    private static JsonObject ToJson(FlattenRanges ranges) => new()
    {
        ["factors"] = ranges.Factors is { } factors ? Numbers(factors) : null,
        ["bits"] = ranges.Plan.Bits,
        ["sx"] = (double)ranges.Plan.ActivationScale,
        ["sw"] = Numbers(ranges.Plan.WeightScales),
        ["nx"] = new JsonArray([.. ranges.Plan.ActivationParts.Select(n => (JsonNode)n)]),
        ["nw"] = new JsonArray([.. ranges.Plan.WeightParts.Select(n => (JsonNode)n)]),
        ["loss"] = ranges.Loss,
    };

    private static FlattenRanges RangesFromJson(JsonNode json) => new(
        json["factors"] is { } factors ? Singles(factors) : null,
        FlattenPlan.WithParts(json["bits"]!.GetValue<int>(), (float)json["sx"]!.GetValue<double>(), Singles(json["sw"]!), Integers(json["nx"]!), Integers(json["nw"]!)),
        json["loss"]!.GetValue<double>());

    private static JsonArray Numbers(float[] values) => new([.. values.Select(v => (JsonNode)(double)v)]);

    private static float[] Singles(JsonNode json) => [.. json.AsArray().Select(v => (float)v!.GetValue<double>())];

    private static int[] Integers(JsonNode json) => [.. json.AsArray().Select(v => v!.GetValue<int>())];
}
