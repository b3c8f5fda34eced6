using System.CommandLine;
using System.Globalization;
using Portable.Checkpoints;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.Format;
using Portable.Checkpoints.HuggingFace;
using Portable.Cli.CommandLine;
using Portable.Cli.Output;
using Portable.Inference;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Arithmetic;
using Portable.Reference.Quantization;

namespace Portable.Cli.Verbs;

/// <summary>Shows what a checkpoint holds.</summary>
internal sealed class InspectVerb : Verb
{
    private readonly Argument<string> _model = ModelFiles.CreateArgument();
    private readonly Option<int> _context = new("--context") { Description = "Print the memory that texts of N tokens take on the CPU (default: the model's context).", HelpName = "N" };
    private readonly Option<int> _batch = new("--batch") { Description = "The same for B texts at a time (default: 1).", HelpName = "B" };
    private readonly Option<string?> _scheme = new("--scheme") { Description = "The same for the model quantized under a scheme, for example W4A8KV8H8 (default: as it is).", HelpName = "S" };
    private readonly Option<bool> _verify = new("--verify") { Description = "Instead, hash every file and compare with manifest.json; refuses what differs, is missing or is not named there." };

    /// <summary>Defines the verb.</summary>
    public InspectVerb()
        : base(
            "inspect",
            "Shows how a checkpoint was made, its layers with their schemes, sizes and errors, and the memory that it takes.",
            new Example("portable inspect llama-w4", "tables of layer types and of layers"),
            new Example("portable inspect llama-w4 --context 8192 --batch 4", "and the CPU's memory for four texts of 8,192 tokens"),
            new Example("portable inspect llama --scheme W4A8KV8H8 --context 8192", "what the float model would take under a scheme"),
            new Example("portable inspect llama-w4 --verify", "are all bytes those that were written?"),
            new Example("portable inspect llama-w4 --json", "the same for programs"))
    {
        Arguments.Add(_model);
        foreach (Option option in (Option[])[_context, _batch, _scheme, _verify])
        {
            Options.Add(option);
        }
    }

    /// <inheritdoc/>
    protected override int Run(ParseResult parsed, Terminal terminal, CancellationToken cancellation)
    {
        string directory = parsed.GetValue(_model)!;
        bool memory = new Option[] { _context, _batch, _scheme }.Any(o => parsed.GetResult(o) is { Implicit: false });
        if (parsed.GetValue(_verify))
        {
            return memory ? throw new UsageException("--verify goes alone: it reads files and computes no memory") : VerifyFiles(directory, terminal, cancellation);
        }

        int length = parsed.GetResult(_context) is { Implicit: false } ? OptionValues.AtLeast(parsed, _context, 1) : 0;
        int texts = parsed.GetResult(_batch) is { Implicit: false } ? OptionValues.AtLeast(parsed, _batch, 1) : 1;
        QuantizationScheme? scheme = parsed.GetValue(_scheme) is { } text ? OptionValues.Scheme(text) : null;
        using IModelSource source = Checkpoint.Open(directory);
        ModelConfig config = source.Config;
        var quantized = source as PortableCheckpoint;
        Dictionary<string, long> stored = quantized is null ? [] : StoredBits.Modules(directory);
        var layers = new List<InspectLayer>();
        for (int block = 0; block < config.Layers; block++)
        {
            cancellation.ThrowIfCancellationRequested();
            BlockWeights weights = source.LoadBlock(block);
            layers.AddRange(weights.Layout.Slots.Select(slot => Describe(weights[slot], quantized?.Manifest.Layers[layers.Count], stored, (source as HuggingFaceCheckpoint)?.StoredType(block, slot))));
        }

        var report = new InspectReport(
            config.ModelType, config.HiddenSize, config.Layers, config.Blocks[0].Attention.Heads, config.Blocks[0].Attention.KeyValueHeads, config.VocabularySize, config.MaximumPositions, source.KeyValueBits,
            quantized?.Manifest.Method ?? "float", quantized?.Manifest.Scheme, MeanBits(layers), [.. layers.GroupBy(l => l.Name.Split('.')[^1]).Select(Summarize)],
            layers, layers.Sum(l => l.Bytes), ModelFiles.DirectoryBytes(directory), [.. Tables(source, quantized, stored)], memory ? Memory(source, scheme, length, texts) : null,
            quantized is null ? null : InspectOrigin.Of(Path.Combine(directory, PortableFormat.ManifestName), quantized.Manifest));
        terminal.Result(report, JsonReports.Default.InspectReport, r => Print(terminal, r, config.ContextText));
        return ExitCode.Done;
    }

    private static int VerifyFiles(string directory, Terminal terminal, CancellationToken cancellation)
    {
        string path = Path.Combine(directory, PortableFormat.ManifestName);
        UnfinishedCheckpoint.Refuse(directory);
        if (!File.Exists(path))
        {
            throw new CheckpointException(path, "no such file; it holds the hashes to verify, and only quantized checkpoints have one");
        }

        Manifest manifest = Manifest.Read(path);
        IReadOnlyList<FileDifference> differences = terminal.Track("hashing", bar => ManifestCheck.Differences(directory, manifest, done => bar.Report((double)done / manifest.Files.Count), cancellation));
        InspectVerification result = new(differences.Count == 0, manifest.Files.Count, manifest.Files.Sum(f => f.Bytes), FileHash.Sha256(path), differences);
        terminal.Result(result, JsonReports.Default.InspectVerification, r =>
        {
            if (r.Intact)
            {
                terminal.Line(string.Create(CultureInfo.InvariantCulture, $"all {r.Files} files ({r.Bytes / 1048576.0:F2} MiB) are as the manifest says; SHA-256 of manifest.json: {r.Manifest}"));
            }
        });
        const int Most = 5;
        return result.Intact ? ExitCode.Done : throw new CheckpointException(
            path, $"not as it says: {string.Join(", ", differences.Take(Most).Select(d => $"{d.Name} ({d.Problem})"))}{(differences.Count > Most ? $", and {differences.Count - Most} more (--json lists all)" : "")}");
    }

    private static InspectLayer Describe(LinearWeights linear, LayerReport? made, Dictionary<string, long> stored, ElementType? inFile = null)
    {
        if (linear.Quantized is not { } quantized)
        {
            FloatTable table = linear.Float!;
            ElementType type = inFile ?? table.Type;
            string name = type switch { ElementType.Float16 => "f16", ElementType.BFloat16 => "bf16", _ => "f32" };
            return new InspectLayer(linear.Name, name, table.Rows, table.Columns, table.Bytes, 8.0 * ElementConversion.SizeOf(type), null, null);
        }

        // A weight that was cut into several columns is one weight of the model.
        int columns = quantized.Input.Map is { } map ? map.Source.Max() + 1 : quantized.Weights.Columns;
        double bits = 8.0 * stored.GetValueOrDefault(linear.Name) / quantized.OutputFeatures / columns;
        return new InspectLayer(linear.Name, linear.Scheme!, quantized.OutputFeatures, quantized.Weights.Columns, quantized.Bytes, bits, made?.Error, made?.OutputError);
    }

    private static IEnumerable<InspectLayer> Tables(IModelSource source, PortableCheckpoint? quantized, Dictionary<string, long> stored)
    {
        ModelNames names = new(source.Config);
        foreach (LinearName name in names.QuantizedTables)
        {
            TableWeights table = name == names.EmbeddingTable ? source.LoadEmbedding() : source.LoadHead()!;
            LayerReport? made = quantized?.Manifest.Layers.FirstOrDefault(l => l.Name == name.Name);
            yield return Describe(new LinearWeights { Name = name.Name, Float = table.Float, Quantized = table.Quantized, Scheme = made?.Scheme }, made, stored);
        }
    }

    /// <summary>What the model takes on the CPU, as it is or as a scheme would make it.</summary>
    private static InspectMemory Memory(IModelSource source, QuantizationScheme? scheme, int context, int batch)
    {
        int positions = context == 0 ? source.Config.MaximumPositions : context;
        if (positions > source.Config.MaximumPositions)
        {
            throw new InvalidOperationException($"--context {positions} is more than the model's {source.Config.MaximumPositions} positions.");
        }

        ElementType type = source.LoadPositions()?.Type ?? source.LoadEmbedding().Float?.Type ?? ElementType.Float16;
        MemoryEstimate estimate = scheme is null ? CpuMemory.Of(source, batch, positions) : CpuMemory.Of(source.Config, scheme, type, batch, positions);
        return new InspectMemory(scheme?.ToString(), positions, batch, estimate.Linears + estimate.Tables, estimate.Cache, estimate.Working, estimate.Total);
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

    private static void Print(Terminal terminal, InspectReport r, string context)
    {
        terminal.Paragraph(0, $"{r.ModelType}: {r.Blocks} blocks of {r.Hidden}, {r.Heads} heads ({r.KeyValueHeads} of keys and values), vocabulary {r.Vocabulary}, {context}");
        string cache = r.KeyValueBits == 32 ? "float cache" : $"KV{r.KeyValueBits}";
        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"{r.Method}{(r.Scheme is null ? "" : $" {r.Scheme}")}, {cache}, {r.BitsPerWeight:F2} bits per weight of the linears"));
        foreach (string line in r.MadeBy?.Lines() ?? [])
        {
            terminal.Paragraph(0, Printable.Of(line));
        }

        bool outputs = r.Types.Any(t => t.OutputError is not null), errors = r.Types.Any(t => t.Error is not null);
        terminal.Table(["type", ">layers", ">bits", .. errors ? (string[])[">error", ">worst"] : [], .. outputs ? (string[])[">output"] : []], r.Types.Select(t => (string[])
            [t.Type, t.Layers.ToString(CultureInfo.InvariantCulture), Text(t.BitsPerWeight, "F2"), .. errors ? (string[])[Text(t.Error, "F5"), Text(t.WorstError, "F5")] : [], .. outputs ? (string[])[Text(t.OutputError, "F5")] : []]));

        // Names of hundreds of layers begin alike.
        string common = r.Layers[0].Name[..(r.Layers[0].Name.IndexOf(".0.", StringComparison.Ordinal) + 1)];
        terminal.Table([common.Length > 0 ? $"layer ({common})" : "layer", "scheme", ">NxK", ">KiB", ">bits", .. errors ? (string[])[">error"] : []], r.Layers.Select(l => (string[])
            [l.Name[common.Length..], l.Scheme, $"{l.Rows}x{l.Columns}", Text(l.Bytes / 1024.0, "F1"), Text(l.BitsPerWeight, "F2"), .. errors ? (string[])[Text(l.Error, "F5")] : []]));
        string tables = string.Join(", ", r.Tables.Select(t => string.Create(CultureInfo.InvariantCulture, $"{t.Name.Split('.')[^1]} {t.Scheme} {t.Bytes / 1048576.0:F2} MiB")));
        terminal.Line(string.Create(CultureInfo.InvariantCulture, $"linears {r.LinearBytes / 1048576.0:F2} MiB, {tables}{(r.Tables.Count == 1 ? " (the head, too)" : "")}, files {r.FileBytes / 1048576.0:F2} MiB"));
        if (r.Memory is { } m)
        {
            terminal.Line(string.Create(CultureInfo.InvariantCulture, $"memory on the CPU{(m.Scheme is null ? "" : $" as {m.Scheme}")}, {m.Batch:N0} × {m.Context:N0} tokens: {m.Total / 1048576.0:N1} MiB (weights {m.Weights / 1048576.0:N1}, cache {m.Cache / 1048576.0:N1}, scratch {m.Scratch / 1048576.0:N1})"));
        }
    }

    private static string Text(double? value, string format) => value?.ToString(format, CultureInfo.InvariantCulture) ?? "";
}
