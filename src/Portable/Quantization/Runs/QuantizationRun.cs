using System.Diagnostics;
using System.Globalization;
using System.Security.Cryptography;
using System.Text;
using System.Text.Json.Nodes;
using Portable.Calibration;
using Portable.Checkpoints;
using Portable.Checkpoints.Files;
using Portable.Checkpoints.Format;
using Portable.Models;
using Portable.Models.Architectures;
using Portable.Reference.Algorithms.AbqLlm;
using Portable.Tokenizers;

namespace Portable.Quantization.Runs;

/// <summary>
/// A quantization from checkpoint to checkpoint. An interrupted run is resumed by running the same request again, and ends in
/// the same bytes; the result depends on neither threads nor instruction set.
/// </summary>
internal static class QuantizationRun
{
    /// <summary>Runs a request.</summary>
    /// <param name="request">What to do.</param>
    /// <param name="progress">Told of steps and messages, or null.</param>
    /// <param name="cancellation">Stops between batches; what is finished stays and can be resumed.</param>
    /// <exception cref="MethodUsageException">No such method, or it cannot serve the scheme or an option.</exception>
    /// <exception cref="FormatException">A quantizer refuses the scheme.</exception>
    /// <exception cref="CheckpointException">A file is missing, damaged or in the way.</exception>
    /// <exception cref="ArgumentException">The calibration text is too short.</exception>
    /// <exception cref="NonFiniteModelException">The float model does not compute finite values; the message names the layer.</exception>
    /// <exception cref="NonFiniteLossException">Training diverged; the message names the block.</exception>
    public static QuantizationResult Run(QuantizationRequest request, IProgress<QuantizationProgress>? progress = null, CancellationToken cancellation = default)
    {
        Stopwatch clock = Stopwatch.StartNew();
        IQuantizationMethod method = QuantizationMethods.Find(request.Method);
        Check(request, request.Options.CalibrationText is not null);
        using IModelSource source = Checkpoint.Open(request.Model);
        if (source is PortableCheckpoint)
        {
            throw new MethodUsageException($"{request.Model} is already quantized; quantize the float checkpoint that it was made from.");
        }

        foreach (string name in request.Options.Named.Keys.Where(n => method.Options.All(o => o.Name != n)).Order(StringComparer.Ordinal))
        {
            Warn(progress, $"the option {name} is not used by the method {method.Name}");
        }

        request = request with { Options = method.Settle(request.Options, request.Scheme, request.Device, message => progress?.Report(new QuantizationProgress(method.Name, 0, 0, message))) };
        CalibrationSet? calibration = request.Options.CalibrationText is { } text ? Windows(request, source.Config, text) : null;
        if (calibration is { Windows.Count: var found } && found < request.Options.Samples)
        {
            Warn(progress, string.Create(
                CultureInfo.InvariantCulture, $"the calibration text holds {found} of the {request.Options.Samples} windows of {calibration.Context} tokens that were asked for; {found} {(found == 1 ? "is" : "are")} used"));
        }

        if (!Tokenizer.Exists(request.Model))
        {
            Warn(progress, $"{request.Model}: no tokenizer; the quantized model takes token ids alone, and no text, until one lies beside it");
        }

        using PortableCheckpointWriter writer = PortableCheckpointWriter.Open(request.Output, Header(request, method, calibration), request.Overwrite);
        // A directory of this run's own: it is removed with its file, while another run of the process may be making one.
        using StreamStorage storage = new(Path.Combine(Path.GetTempPath(), $"portable-{Guid.NewGuid():N}"), request.StreamBudget, request.Device);
        QuantizationContext context = new()
        {
            Source = source,
            Scheme = request.Scheme,
            Scales = PortableFormat.ScalesOf(request.Format),
            Options = request.Options,
            Calibration = calibration,
            Storage = storage,
            Device = request.Device,
            Recall = name => writer.TryReadState(name) is { } bytes ? JsonNode.Parse(bytes) : null,
            Keep = (name, node) => writer.WriteState(name, Encoding.UTF8.GetBytes(node.ToJsonString())),
            Say = message => progress?.Report(new QuantizationProgress(method.Name, 0, 0, message)),
            Warn = message => Warn(progress, message),
            Progress = (stage, done, total) => progress?.Report(new QuantizationProgress(stage, done, total)),
            Cancellation = cancellation,
        };
        try
        {
            return Run(request, method, context, writer, clock);
        }
        catch (Exception e) when (FailsAgain(e))
        {
            writer.Discard();
            throw;
        }
    }

    /// <summary>Checks method, scheme, format and options of a request before any file is looked at.</summary>
    /// <param name="request">The request; neither its calibration text nor any path is looked at.</param>
    /// <param name="calibrated">Whether there will be a calibration text.</param>
    /// <exception cref="MethodUsageException">No such method, or it cannot serve the scheme or an option.</exception>
    /// <exception cref="FormatException">A quantizer refuses the scheme.</exception>
    public static void Check(QuantizationRequest request, bool calibrated)
    {
        IQuantizationMethod method = QuantizationMethods.Find(request.Method);
        if (method.NeedsCalibration && !calibrated)
        {
            throw new MethodUsageException($"The method {method.Name} needs a calibration text.");
        }

        if (request.Format is < PortableFormat.OldestVersion or > PortableFormat.NewestVersion)
        {
            throw new MethodUsageException($"format {request.Format} is none that this program writes; {PortableFormat.OldestVersion} and {PortableFormat.NewestVersion} are.", "format");
        }

        if (request.Format == PortableFormat.OldestVersion && request.Scheme.ActivationGroupSize is not 0 and var group && group != request.Scheme.GroupSize)
        {
            throw new MethodUsageException($"format {request.Format} holds no groups of activations of their own (a{group}); format {PortableFormat.NewestVersion} does.", "format");
        }

        request.Scheme.RequireWholeBytes();
        method.Check(request.Options, request.Scheme, calibrated);
    }

    private static void Warn(IProgress<QuantizationProgress>? progress, string message) => progress?.Report(new QuantizationProgress("warning", 0, 0, message, Warning: true));

    // Running the same request again would fail in the same way: nothing is left behind. A full disk can be made room on.
    private static bool FailsAgain(Exception e) => e is MethodUsageException or FormatException or ArgumentException or ArithmeticException
        or CheckpointException { InnerException: not (IOException or UnauthorizedAccessException) };

    private static QuantizationResult Run(QuantizationRequest request, IQuantizationMethod method, QuantizationContext context, PortableCheckpointWriter writer, Stopwatch clock)
    {
        IModelSource source = context.Source;
        Reference.Arithmetic.ElementType tableType = source.LoadEmbedding().Float!.Type;
        IReadOnlyList<LayerReport>[] reports = new IReadOnlyList<LayerReport>[source.Config.Layers];
        BlockTraining?[] training = new BlockTraining?[source.Config.Layers];
        JsonObject? facts = BlockPipeline.Run(method, context, Finished, (index, block, layers) =>
        {
            if (block.Training is { } trained)
            {
                // Before the block: a finished block has its record.
                context.Keep(TrainingState(index), trained.ToJson());
            }

            writer.WriteBlock(index, block.Weights, layers, tableType);
            (reports[index], training[index]) = (layers, block.Training);
        });
        if (!writer.AreTablesFinished || !IsProved(source.Config.Layers, 1))
        {
            context.Progress("embedding and head", 0, 1);
            (ModelTables tables, IReadOnlyList<LayerReport> found) = ModelTables.Of(source).Quantized(new ModelNames(source.Config), request.Scheme, context.Scales);
            writer.WriteTables(tables, found);
            context.Progress("embedding and head", 1, 1);
        }

        IReadOnlyList<LayerReport> tableReports = writer.ReadTableReports();
        writer.Finish(facts);
        return new QuantizationResult(method.Name, request.Scheme, [.. reports.SelectMany(r => r), .. tableReports], TensorBytes(request.Model), TensorBytes(request.Output), clock.Elapsed.TotalSeconds, [.. training.OfType<BlockTraining>()], facts);

        BlockWeights? Finished(int index)
        {
            // Blocks behind one that is made again were calibrated on it.
            int behind = context.Calibration is null ? 1 : source.Config.Layers - index;
            if (!writer.IsBlockFinished(index) || !IsProved(index, behind))
            {
                return null;
            }

            (BlockWeights block, reports[index]) = writer.ReadBlock(index);
            training[index] = BlockTraining.FromJson(context.Recall(TrainingState(index)));
            return block;
        }

        bool IsProved(int index, int count)
        {
            bool? intact = writer.IsIntact(index);
            if (intact is null)
            {
                context.Warn($"{writer.ShardName(index)}: no hash of it was kept by the version that finished it; it is taken as it is");
            }
            else if (intact is false)
            {
                context.Warn($"{writer.ShardName(index)}: not the bytes that were finished (their SHA-256 differs); it is made again{(count > 1 ? ", and so are the blocks behind it" : "")}");
                writer.Forget(index, count);
            }

            return intact is not false;
        }

        static string TrainingState(int index) => $"training-{index}";
    }

    private static CalibrationSet Windows(QuantizationRequest request, ModelConfig model, string text)
    {
        // Before anything is said of a text that holds few windows of a length that cannot be.
        BlockStream.CheckContext(model, request.Options.Context);
        int[] ids = Tokenizer.Open(request.Model).EncodeInput(text);
        return CalibrationSet.FromTokens(ids, request.Options.Samples, request.Options.Context, request.Options.Seed);
    }

    /// <summary>The part of the request that the result depends on.</summary>
    private static CheckpointHeader Header(QuantizationRequest request, IQuantizationMethod method, CalibrationSet? calibration)
    {
        MethodOptions options = request.Options;
        JsonObject json = [];
        if (options.CalibrationText is { } text)
        {
            json["calibration"] = new JsonObject
            {
                ["sha256"] = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(text))),
                ["samples"] = calibration!.Windows.Count, // What was used, which a short text makes less than what was asked for.
                ["context"] = options.Context,
                ["seed"] = options.Seed,
            };
        }

        foreach (MethodOption option in method.Options.Where(o => options.Text(o) != o.Unrecorded))
        {
            json[option.Name] = options.Text(option);
        }

        return new CheckpointHeader { Source = request.Model, Version = request.Format, Method = method.Name, Scheme = request.Scheme, Options = json };
    }

    private static long TensorBytes(string directory) => Directory.EnumerateFiles(directory, "*.safetensors").Sum(FileLength.Of);
}
