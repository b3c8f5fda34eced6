using Portable.Calibration;
using Portable.Checkpoints.Format;
using Portable.Models;

namespace Portable.Quantization.Runs;

/// <summary>
/// The heart of a quantization: blocks in order, each quantized by the method on its calibration inputs, measured, handed
/// on, and then passed through by the streams. Blocks that an earlier, interrupted run finished are only passed through.
/// </summary>
internal static class BlockPipeline
{
    /// <summary>Progress of whole blocks.</summary>
    public const string Stage = "blocks";

    /// <summary>Runs it.</summary>
    /// <param name="method">The method.</param>
    /// <param name="context">Model, scheme, options, calibration.</param>
    /// <param name="finished">A block finished earlier, read back, or null.</param>
    /// <param name="done">Receives each newly quantized block and its reports.</param>
    /// <param name="clock">Tells how long what is said now and then has taken; null = the system's.</param>
    /// <returns>The method's facts for the manifest, or null.</returns>
    /// <exception cref="MethodUsageException">The method declines the scheme or an option.</exception>
    /// <exception cref="NonFiniteModelException">The float model does not compute finite values; the message names the layer.</exception>
    public static System.Text.Json.Nodes.JsonObject? Run(IQuantizationMethod method, QuantizationContext context, Func<int, BlockWeights?> finished, Action<int, QuantizedBlock, IReadOnlyList<LayerReport>> done, TimeProvider? clock = null)
    {
        context.Scheme.RequireWholeBytes();
        method.Check(context.Options, context.Scheme, context.Calibration is not null);
        int layers = context.Source.Config.Layers;
        BlockPace pace = new(layers, context.Say, clock ?? TimeProvider.System);
        Action<string, int, int> progress = context.Progress;
        context.Progress = (stage, step, steps) =>
        {
            progress(stage, step, steps);
            pace.Prepare(stage, step, steps);
        };
        RequireFinite(context);
        IBlockQuantizer quantizer = method.Prepare(context);
        context.Progress = progress;
        using IDisposable? owned = quantizer as IDisposable;
        CalibrationSet? calibration = context.Calibration;
        using BlockStream? stream = calibration is not null && quantizer.Inputs != CalibrationInputs.None
            ? context.OpenStream(calibration.Windows, context.Scheme.KeyValueBits, Embedding(context, quantizer.Inputs))
            : null;
        using BlockStream? floats = calibration is not null ? context.OpenStream(calibration.ReportWindows, 32) : null;
        if (context.Device is not null && quantizer.CpuPart is { } part)
        {
            context.Warn($"{part} of {method.Name} run on the CPU; the rest computes on the device");
        }

        LayerReporter reporter = new(floats);
        using BlockReader reader = new(context.Source, ahead: context.Device is not null);

        // Where a device computes, blocks are reported and written by the host while the next one is under way.
        using OrderedWork aside = new(concurrent: context.Device is not null);
        long tokens = stream is null ? 0 : calibration!.Windows.Sum(w => (long)w.Length);
        context.Step = what =>
        {
            context.Cancellation.ThrowIfCancellationRequested();
            pace.Step(what);
        };
        for (int index = 0; index < layers; index++)
        {
            context.Cancellation.ThrowIfCancellationRequested();
            context.Progress(Stage, index, layers);
            BlockWeights exact = reader.Load(index);
            BlockWeights? behind = finished(index);
            bool fresh = behind is null, told = false;
            if (behind is null)
            {
                pace.Begin(index);
                QuantizedBlock quantized = quantizer.Quantize(index, exact, stream);
                int at = index;
                aside.Run(() => done(at, quantized, reporter.Report(exact, quantized)));
                (behind, told) = (quantized.Weights, quantized.Training is not null);
            }
            else
            {
                aside.Run(() => reporter.Skip(exact));
            }

            if (index + 1 < layers)
            {
                stream?.Advance(quantizer.Inputs == CalibrationInputs.Quantized ? behind : exact);
            }

            if (fresh)
            {
                pace.End(index, tokens, told);
            }
        }

        aside.Finish();
        context.Progress(Stage, layers, layers);
        return quantizer.Manifest;
    }

    /// <summary>What the first block will be fed: quantized blocks see the embedding of an H part.</summary>
    private static TableWeights? Embedding(QuantizationContext context, CalibrationInputs inputs) =>
        inputs == CalibrationInputs.Quantized && context.Scheme.Table is not null ? context.Source.LoadEmbedding().Quantized(context.Scheme.HeadBits, context.Scales, out _) : null;

    /// <summary>
    /// A short pass through the float model before anything else: a method would make codes out of NaN, or stop in the middle of
    /// its algebra. Calibration windows are checked as they pass, too.
    /// </summary>
    private static void RequireFinite(QuantizationContext context)
    {
        const int Tokens = 16;
        ModelConfig config = context.Source.Config;
        int count = Math.Min(Tokens, config.MaximumPositions);
        int[] window = context.Calibration is { } calibration
            ? calibration.Windows[0][..Math.Min(Tokens, calibration.Context)]
            : [.. Enumerable.Range(0, count).Select(i => (int)((long)i * config.VocabularySize / count))];
        using BlockStream probe = context.OpenStream([window], 32);
        for (int index = 0; index < config.Layers; index++)
        {
            context.Cancellation.ThrowIfCancellationRequested();
            context.Progress("checking the model", index, config.Layers);
            probe.Advance(context.Source.LoadBlock(index));
        }

        probe.RequireFiniteLogits(context.Source);
    }
}
