using System.Globalization;
using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Checkpoints;
using Portable.Evaluation;
using Portable.Execution;
using Portable.Models;
using Portable.Quantization;
using Portable.Reference.Quantization;
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
    private static readonly double[] Shares = [0, 0.25, 0.4829, 0.75, 1];

    // The defaults first: a run that is cut short has measured them.
    private static readonly (string Ranges, string Weights, string Beta)[] Variants =
        [("search", "on", "1.5"), ("search", "off", "1.5"), ("boxplot", "on", "1.5"), ("boxplot", "off", "1.5"), ("boxplot", "on", "1.0"), ("boxplot", "on", "2.5")];

    private readonly IModelSource _model;
    private readonly CalibrationSet _calibration;
    private readonly int[] _text;
    private readonly int _windows;
    private readonly Dictionary<string, JsonNode> _analyses = [];

    private FlattenCurve(string folder, string calibration, string evaluation, int samples, int windows)
    {
        _model = Checkpoint.Open(folder);
        ITokenizer tokenizer = Tokenizer.Open(folder);
        int[] Tokens(string path) => [.. _model.Config.BeginToken is { } begin ? [begin] : Array.Empty<int>(), .. tokenizer.Encode(File.ReadAllText(path))];
        _calibration = CalibrationSet.FromTokens(Tokens(calibration), samples, Context, 0);
        _text = Tokens(evaluation);
        _windows = windows;
    }

    /// <summary>Measures and prints the table, one row as soon as it is complete.</summary>
    /// <param name="arguments">Model, calibration text, evaluation text, calibration windows, evaluation windows.</param>
    public static void Print(string[] arguments)
    {
        FlattenCurve curve = new(arguments[0], arguments[1], arguments[2], int.Parse(arguments[3], CultureInfo.InvariantCulture), int.Parse(arguments[4], CultureInfo.InvariantCulture));
        Console.WriteLine($"| ranges | weights flattened | GPTQ | {string.Join(" | ", Shares.Select(s => string.Create(CultureInfo.InvariantCulture, $"≤ {s:P2}")))} |");
        Console.WriteLine($"| --- | --- | --- |{string.Concat(Shares.Select(_ => " --- |"))}");
        foreach (string gptq in (string[])["on", "off"])
        {
            foreach ((string ranges, string weights, string beta) in Variants)
            {
                string[] points = [.. Shares.Select(share => curve.Point(new()
                {
                    ["ranges"] = ranges,
                    ["flatten-weights"] = weights,
                    ["beta"] = beta,
                    ["gptq"] = gptq,
                    ["int4-budget"] = share.ToString(CultureInfo.InvariantCulture),
                }))];
                Console.WriteLine($"| {(ranges == "search" ? ranges : $"β = {beta}")} | {weights} | {gptq} | {string.Join(" | ", points)} |");
            }
        }
    }

    private string Point(Dictionary<string, string> options)
    {
        // What the analysis depends on; the search expects less of the weights' error where GPTQ follows.
        string key = string.Join(' ', options["ranges"], options["flatten-weights"], options["beta"], options["ranges"] == "search" ? options["gptq"] : "");
        using StreamStorage storage = new(Path.GetTempPath());
        List<BlockWeights> blocks = [];
        QuantizationContext context = new()
        {
            Source = _model,
            Scheme = QuantizationScheme.Parse("W4A4"),
            Options = new MethodOptions { Samples = _calibration.Windows.Count, Context = Context, Named = options },
            Calibration = _calibration,
            Storage = storage,
            Recall = _ => _analyses.GetValueOrDefault(key),
            Keep = (_, analysis) => _analyses[key] = analysis,
            Say = _ => { },
            Progress = (_, _, _) => { },
            Cancellation = CancellationToken.None,
        };
        JsonObject facts = BlockPipeline.Run(QuantizationMethods.Find("flatten"), context, _ => null, (_, block, _) => blocks.Add(block.Weights))!;
        using Transformer transformer = new(new QuantizedModel(_model, blocks), new CpuExecutor());
        double perplexity = Perplexity.Measure(transformer, _text, Context, _windows).Perplexity;
        string point = string.Create(CultureInfo.InvariantCulture, $"{perplexity:F2} ({(double)facts["int4_share"]!:P1})");
        Console.Error.WriteLine($"{string.Join(' ', options.Values)}: {point}");
        return point;
    }

    private sealed class QuantizedModel(IModelSource model, IReadOnlyList<BlockWeights> blocks) : IModelSource
    {
        public ModelConfig Config => model.Config;

        public int KeyValueBits => 16;

        public FloatTable LoadEmbedding() => model.LoadEmbedding();

        public FloatTable? LoadPositions() => model.LoadPositions();

        public BlockWeights LoadBlock(int index) => blocks[index];

        public NormWeights LoadFinalNorm() => model.LoadFinalNorm();

        public FloatTable? LoadHead() => model.LoadHead();

        public void Dispose()
        {
        }
    }
}
