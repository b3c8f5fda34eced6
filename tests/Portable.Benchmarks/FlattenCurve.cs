using System.Globalization;
using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Checkpoints.Format;
using Portable.Evaluation;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Quantization;
using Portable.Quantization.Runs;
using Portable.Reference.Quantization;
using Portable.Tests.Support;
using Portable.Tokenizers;

namespace Portable.Benchmarks;

/// <summary>
/// The curve of FlattenQuant: perplexity against the share of multiply-adds at INT4, with and without GPTQ, with and without
/// flattened weights, by the search and by the box plot with three values of β. Everything stays in memory, and points that
/// differ in the share alone share one analysis.
/// </summary>
internal sealed class FlattenCurve
{
    private const int Context = 512;
    private const double DefaultShare = 0.4829;
    private static readonly double[] Shares = [0, 0.25, DefaultShare, 0.75, 1];
    private static readonly double[] ByInterest = [DefaultShare, 1, 0, 0.75, 0.25];
    private static readonly Variant Default = new("search", "on", "1.5", "on");
    private static readonly Variant[] Variants =
    [
        .. from gptq in (string[])["on", "off"]
           from variant in (Variant[])[Default, Default with { Weights = "off" }, new("boxplot", "on", "1.5", ""), new("boxplot", "off", "1.5", ""), new("boxplot", "on", "1.0", ""), new("boxplot", "on", "2.5", "")]
           select variant with { Gptq = gptq },
    ];

    private readonly IModelSource _model;
    private readonly CalibrationSet _calibration;
    private readonly int[] _text;
    private readonly int _windows;
    private readonly Dictionary<Variant, JsonNode> _analyses = [];

    private FlattenCurve(string folder, string calibration, string evaluation, int samples, int windows)
    {
        _model = Checkpoint.Open(folder);
        ITokenizer tokenizer = Tokenizer.Open(folder);
        int[] Tokens(string path) => [.. _model.Config.BeginToken is { } begin ? [begin] : Array.Empty<int>(), .. tokenizer.Encode(File.ReadAllText(path))];
        _calibration = CalibrationSet.FromTokens(Tokens(calibration), samples, Context, 0);
        _text = Tokens(evaluation);
        _windows = windows;
    }

    /// <summary>Measures and prints the table; each point goes to standard error as soon as it is there, those that the defaults are judged by first.</summary>
    /// <param name="arguments">Model, calibration text, evaluation text, calibration windows, evaluation windows.</param>
    public static void Print(string[] arguments)
    {
        FlattenCurve curve = new(arguments[0], arguments[1], arguments[2], int.Parse(arguments[3], CultureInfo.InvariantCulture), int.Parse(arguments[4], CultureInfo.InvariantCulture));
        Dictionary<(Variant, double), string> points = [];
        foreach ((Variant variant, double share) in ByInterest.SelectMany(s => Variants.Select(v => (v, s))).OrderByDescending(p => p.v == Default))
        {
            points.Add((variant, share), curve.Point(variant, share));
            Console.Error.WriteLine($"{variant} {share}: {points[(variant, share)]}");
        }

        Console.WriteLine($"| ranges | weights flattened | GPTQ | {string.Join(" | ", Shares.Select(s => string.Create(CultureInfo.InvariantCulture, $"≤ {s:P2}")))} |");
        Console.WriteLine($"| --- | --- | --- |{string.Concat(Shares.Select(_ => " --- |"))}");
        foreach (Variant v in Variants)
        {
            Console.WriteLine($"| {(v.Ranges == "search" ? v.Ranges : $"β = {v.Beta}")} | {v.Weights} | {v.Gptq} | {string.Join(" | ", Shares.Select(s => points[(v, s)]))} |");
        }
    }

    private string Point(Variant variant, double share)
    {
        // The box plot's analysis does not depend on GPTQ; the search expects less of the weights' error where GPTQ follows.
        Variant analysed = variant.Ranges == "search" ? variant : variant with { Gptq = "" };
        Dictionary<string, string> options = new()
        {
            ["ranges"] = variant.Ranges,
            ["flatten-weights"] = variant.Weights,
            ["beta"] = variant.Beta,
            ["gptq"] = variant.Gptq,
            ["int4-budget"] = share.ToString(CultureInfo.InvariantCulture),
        };
        using StreamStorage storage = new(Path.GetTempPath());
        List<BlockWeights> blocks = [];
        QuantizationContext context = new()
        {
            Source = _model,
            Scheme = QuantizationScheme.Parse("W4A4"),
            Options = new MethodOptions { Samples = _calibration.Windows.Count, Context = Context, Named = options },
            Calibration = _calibration,
            Storage = storage,
            Recall = _ => _analyses.GetValueOrDefault(analysed),
            Keep = (_, analysis) => _analyses[analysed] = analysis,
            Say = _ => { },
            Warn = _ => { },
            Progress = (_, _, _) => { },
            Cancellation = CancellationToken.None,
        };
        JsonObject facts = BlockPipeline.Run(QuantizationMethods.Find("flatten"), context, _ => null, (_, block, _) => blocks.Add(block.Weights))!;
        using Transformer transformer = new(new QuantizedSource(_model, blocks, keyValueBits: 16), new CpuExecutor());
        double perplexity = Perplexity.Measure(transformer, _text, Context, _windows).Perplexity;
        return string.Create(CultureInfo.InvariantCulture, $"{perplexity:F2} ({(double)facts["int4_share"]!:P1})");
    }

    private sealed record Variant(string Ranges, string Weights, string Beta, string Gptq);
}
