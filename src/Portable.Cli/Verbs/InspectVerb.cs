using System.CommandLine;
using System.Globalization;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.Format;
using Portable.Cli.CommandLine;
using Portable.Cli.Output;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;

namespace Portable.Cli.Verbs;

/// <summary>A linear layer of a checkpoint.</summary>
/// <param name="Name">Module name.</param>
/// <param name="Scheme">The layer's own scheme, or the element type of float weights.</param>
/// <param name="Rows">N: output features.</param>
/// <param name="Columns">K: columns of the weights (FlattenQuant's expanded ones included).</param>
/// <param name="Bytes">Weights, scales and zero points in memory.</param>
public sealed record InspectLayer(string Name, string Scheme, int Rows, int Columns, long Bytes);

/// <summary>The answer of <c>portable inspect</c>.</summary>
/// <param name="ModelType">As config.json has it.</param>
/// <param name="Hidden">Width of the residual stream.</param>
/// <param name="Blocks">Number of blocks.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyValueHeads">Key and value heads.</param>
/// <param name="Vocabulary">Rows of the embedding.</param>
/// <param name="Positions">The longest context.</param>
/// <param name="KeyValueBits">Bits of the KV cache; 32 = float.</param>
/// <param name="Layers">The blocks' linears.</param>
/// <param name="LinearBytes">Sum over the layers.</param>
/// <param name="FileBytes">All files of the directory.</param>
public sealed record InspectReport(
    string ModelType, int Hidden, int Blocks, int Heads, int KeyValueHeads, int Vocabulary, int Positions, int KeyValueBits,
    IReadOnlyList<InspectLayer> Layers, long LinearBytes, long FileBytes);

/// <summary>Shows what a checkpoint holds.</summary>
public sealed class InspectVerb : Verb
{
    private readonly Argument<string> model = ModelFiles.CreateArgument();

    /// <summary>Defines the verb.</summary>
    public InspectVerb()
        : base(
            "inspect",
            "Shows the layers of a checkpoint with their schemes and sizes.",
            new Example("portable inspect llama-w4", "a table of layers"),
            new Example("portable inspect llama-w4 --json", "the same for programs")) => Arguments.Add(model);

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        string directory = parsed.GetValue(model)!;
        using IModelSource source = Checkpoint.Open(directory);
        ModelConfig config = source.Config;
        var layers = new List<InspectLayer>();
        for (int block = 0; block < config.Layers; block++)
        {
            cancellation.ThrowIfCancellationRequested();
            layers.AddRange(source.LoadBlock(block).Linears.Select(Describe));
        }

        var report = new InspectReport(
            config.ModelType, config.HiddenSize, config.Layers, config.Heads, config.KeyValueHeads, config.VocabularySize, config.MaximumPositions,
            source.KeyValueBits, layers, layers.Sum(l => l.Bytes), ModelFiles.DirectoryBytes(directory));
        terminal.Result(report, JsonReports.Default.InspectReport, r => Print(terminal, r));
        return ExitCode.Done;
    }

    private static InspectLayer Describe(LinearWeights linear)
    {
        if (linear.Quantized is not { } quantized)
        {
            FloatTable table = linear.Float!;
            string type = table.Type switch { ElementType.Float16 => "f16", ElementType.BFloat16 => "bf16", _ => "f32" };
            return new InspectLayer(linear.Name, type, table.Rows, table.Columns, table.Data.Length);
        }

        return new InspectLayer(linear.Name, linear.Scheme!, quantized.OutputFeatures, quantized.Weights.Columns, Bytes(quantized));
    }

    private static long Bytes(QuantizedLinear layer) =>
        (8L * layer.Weights.Words.Length) + (4L * layer.Scales.Length) + (layer.ZeroPoints?.Length ?? 0) + (4L * (layer.Bias?.Length ?? 0));

    private static void Print(Terminal terminal, InspectReport r)
    {
        terminal.Line($"{r.ModelType}: {r.Blocks} blocks of {r.Hidden}, {r.Heads} heads ({r.KeyValueHeads} of keys and values), vocabulary {r.Vocabulary}, {r.Positions} positions, KV{r.KeyValueBits}");
        terminal.Table(["layer", "scheme", ">N", ">K", ">KiB"], r.Layers.Select(l => (string[])
            [l.Name, l.Scheme, Text(l.Rows), Text(l.Columns), (l.Bytes / 1024.0).ToString("F1", CultureInfo.InvariantCulture)]));
        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"linears {r.LinearBytes / 1048576.0:F2} MiB, files {r.FileBytes / 1048576.0:F2} MiB"));
    }

    private static string Text(int value) => value.ToString(CultureInfo.InvariantCulture);
}
