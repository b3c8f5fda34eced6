using System.CommandLine;
using System.Globalization;
using Portable.Checkpoints.Format;
using Portable.Checkpoints.Safetensors;
using Portable.Cli.CommandLine;
using Portable.Cli.Output;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;

namespace Portable.Cli.Verbs;

/// <summary>Shows what a checkpoint holds.</summary>
internal sealed class InspectVerb : Verb
{
    private readonly Argument<string> _model = ModelFiles.CreateArgument();

    /// <summary>Defines the verb.</summary>
    public InspectVerb()
        : base(
            "inspect",
            "Shows how a checkpoint was made, and its layers with their schemes, sizes and errors.",
            new Example("portable inspect llama-w4", "tables of layer types and of layers"),
            new Example("portable inspect llama-w4 --json", "the same for programs")) => Arguments.Add(_model);

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        string directory = parsed.GetValue(_model)!;
        using IModelSource source = Checkpoint.Open(directory);
        ModelConfig config = source.Config;
        var quantized = source as PortableCheckpoint;
        Dictionary<string, long> stored = quantized is null ? [] : StoredBytes(directory);
        var layers = new List<InspectLayer>();
        for (int block = 0; block < config.Layers; block++)
        {
            cancellation.ThrowIfCancellationRequested();
            layers.AddRange(source.LoadBlock(block).Linears.Select(l => Describe(l, quantized?.Manifest.Layers[layers.Count], stored)));
        }

        var report = new InspectReport(
            config.ModelType, config.HiddenSize, config.Layers, config.Blocks[0].Attention.Heads, config.Blocks[0].Attention.KeyValueHeads, config.VocabularySize, config.MaximumPositions, source.KeyValueBits,
            quantized?.Manifest.Method ?? "float", quantized?.Manifest.Scheme, MeanBits(layers), [.. layers.GroupBy(l => l.Name.Split('.')[^1]).Select(Summarize)],
            layers, layers.Sum(l => l.Bytes), ModelFiles.DirectoryBytes(directory));
        terminal.Result(report, JsonReports.Default.InspectReport, r => Print(terminal, r, config.ContextText));
        return ExitCode.Done;
    }

    private static InspectLayer Describe(LinearWeights linear, LayerReport? made, Dictionary<string, long> stored)
    {
        if (linear.Quantized is not { } quantized)
        {
            FloatTable table = linear.Float!;
            string type = table.Type switch { ElementType.Float16 => "f16", ElementType.BFloat16 => "bf16", _ => "f32" };
            return new InspectLayer(linear.Name, type, table.Rows, table.Columns, table.Bytes, 8.0 * table.Bytes / table.Rows / table.Columns, null, null);
        }

        // A weight that was cut into several columns is one weight of the model.
        int columns = quantized.Input.Map is { } map ? map.Source.Max() + 1 : quantized.Weights.Columns;
        double bits = 8.0 * stored.GetValueOrDefault(linear.Name) / quantized.OutputFeatures / columns;
        return new InspectLayer(linear.Name, linear.Scheme!, quantized.OutputFeatures, quantized.Weights.Columns, Bytes(quantized), bits, made?.Error, made?.OutputError);
    }

    private static InspectType Summarize(IGrouping<string, InspectLayer> layers) =>
        new(layers.Key, layers.Count(), MeanBits(layers), layers.Average(l => l.Error), layers.Max(l => l.Error), layers.Average(l => l.OutputError));

    private static double MeanBits(IEnumerable<InspectLayer> layers)
    {
        double bits = 0, weights = 0;
        foreach (InspectLayer layer in layers)
        {
            double count = (double)layer.Rows * layer.Columns;
            (bits, weights) = (bits + (layer.BitsPerWeight * count), weights + count);
        }

        return bits / weights;
    }

    /// <summary>Bytes on disk of each linear's codes, scales, zero points and column map.</summary>
    private static Dictionary<string, long> StoredBytes(string directory)
    {
        Dictionary<string, long> bytes = [];
        foreach (string path in Directory.EnumerateFiles(directory, "*.safetensors"))
        {
            using SafetensorsFile file = SafetensorsFile.Open(path);
            foreach (TensorInfo tensor in file.Tensors.Where(t => !t.Name.EndsWith(".bias", StringComparison.Ordinal)))
            {
                string module = tensor.Name[..Math.Max(0, tensor.Name.LastIndexOf('.'))];
                bytes[module] = bytes.GetValueOrDefault(module) + tensor.Length;
            }
        }

        return bytes;
    }

    private static long Bytes(QuantizedLinear layer) =>
        (8L * layer.Weights.Words.Length) + (4L * layer.Scales.Length) + (layer.ZeroPoints?.Length ?? 0) + (4L * (layer.Bias?.Length ?? 0));

    private static void Print(Terminal terminal, InspectReport r, string context)
    {
        terminal.Paragraph(0, $"{r.ModelType}: {r.Blocks} blocks of {r.Hidden}, {r.Heads} heads ({r.KeyValueHeads} of keys and values), vocabulary {r.Vocabulary}, {context}");
        string cache = r.KeyValueBits == 32 ? "float cache" : $"KV{r.KeyValueBits}";
        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{r.Method}{(r.Scheme is null ? "" : $" {r.Scheme}")}, {cache}, {r.BitsPerWeight:F2} bits per weight of the linears"));
        bool outputs = r.Types.Any(t => t.OutputError is not null), errors = r.Types.Any(t => t.Error is not null);
        terminal.Table(["type", ">layers", ">bits", .. errors ? (string[])[">error", ">worst"] : [], .. outputs ? (string[])[">output"] : []], r.Types.Select(t => (string[])
            [t.Type, t.Layers.ToString(CultureInfo.InvariantCulture), Text(t.BitsPerWeight, "F2"), .. errors ? (string[])[Text(t.Error, "F5"), Text(t.WorstError, "F5")] : [], .. outputs ? (string[])[Text(t.OutputError, "F5")] : []]));

        // Names of hundreds of layers begin alike.
        string common = r.Layers[0].Name[..(r.Layers[0].Name.IndexOf(".0.", StringComparison.Ordinal) + 1)];
        terminal.Table([common.Length > 0 ? $"layer ({common})" : "layer", "scheme", ">NxK", ">KiB", ">bits", .. errors ? (string[])[">error"] : []], r.Layers.Select(l => (string[])
            [l.Name[common.Length..], l.Scheme, $"{l.Rows}x{l.Columns}", Text(l.Bytes / 1024.0, "F1"), Text(l.BitsPerWeight, "F2"), .. errors ? (string[])[Text(l.Error, "F5")] : []]));
        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"linears {r.LinearBytes / 1048576.0:F2} MiB, files {r.FileBytes / 1048576.0:F2} MiB"));
    }

    private static string Text(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";
}
