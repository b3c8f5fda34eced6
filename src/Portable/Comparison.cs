using System.Diagnostics;
using System.Globalization;
using Portable.Checkpoints;
using Portable.Checkpoints.Format;
using Portable.Evaluation;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;

namespace Portable;

/// <summary>
/// What quantization costs: models beside the float model that they were made of, on the same tokens of a text. All run side by
/// side, window by window, so that beside the models there are only some rows of logits (64 MiB a model at most). Where they do not
/// fit into memory together, the reference runs again with each part of them; the figures do not depend on it.
/// </summary>
public sealed record Comparison
{
    /// <summary>Directory of the model that the others are compared with, the float one as a rule.</summary>
    public required string Reference { get; init; }

    /// <summary>Directories of the models to compare, at least one.</summary>
    public required IReadOnlyList<string> Models { get; init; }

    /// <summary>The text; never one that a model was calibrated on.</summary>
    public required string Text { get; init; }

    /// <summary>Name of the text, for the report; null, the default = none.</summary>
    public string? TextName { get; init; }

    /// <summary>Tokens of a window, at least 2, 512 unless said; windows do not overlap, each is scored on its own, and a partial last one is left out.</summary>
    public int Context { get; init; } = 512;

    /// <summary>The first so many windows; 0, the default = all.</summary>
    public int Windows { get; init; }

    /// <summary>Positions at the start of each window that are read and not scored, 0 (the default) … <see cref="Context"/> − 2.</summary>
    public int Skip { get; init; }

    /// <summary>Where quantized models run; float ones run on the CPU, which is the default.</summary>
    public Device Device { get; init; } = Device.Cpu;

    /// <summary>Bytes that models loaded at a time may take on the device; 0, the default = three quarters of its memory. Two models are loaded whatever it says.</summary>
    public long Memory { get; init; }

    /// <summary>Compares.</summary>
    /// <param name="progress">Told the part that is done, 0 … 1.</param>
    /// <param name="messages">Told, a line each, what the user should know.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <returns>A row for the reference, then one for each model.</returns>
    /// <exception cref="ArgumentException">An option is out of range, the text has no whole window, or a model has another vocabulary, another tokenizer or a shorter context.</exception>
    /// <exception cref="CheckpointException">A file is missing, damaged, or of a kind that Portable does not run.</exception>
    /// <exception cref="DeviceException">The device does not exist or cannot serve.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public ComparisonResult Run(IProgress<double>? progress = null, Action<string>? messages = null, CancellationToken cancellation = default)
    {
        long start = Stopwatch.GetTimestamp();
        Validate();
        using OpenedDevice cpu = Device.Cpu.Open(null), device = Device.Open(messages);
        List<ComparedModel> all = [];
        foreach (string directory in (string[])[Reference, .. Models])
        {
            cancellation.ThrowIfCancellationRequested();
            all.Add(ComparedModel.Read(directory, Text, Context));
        }

        ComparedModel reference = all[0];
        int windows = WindowsOf(reference);
        foreach (ComparedModel model in all)
        {
            model.RequireLike(reference, Context, windows * Context);
            if (model != reference && !model.Quantized && Device != Device.Cpu)
            {
                throw new DeviceException($"{model.Directory}: an unquantized model runs on the device cpu only, and the models are asked for on {Device.Name}.");
            }
        }

        if (reference.Quantized)
        {
            messages?.Invoke($"{Reference} is quantized itself: divergences and ratios are from it, not from a float model");
        }

        ComparedModel[][] parts = [.. Parts(reference, all[1..], device.FreeBytes)];
        if (parts.Length > 1)
        {
            messages?.Invoke(string.Create(CultureInfo.InvariantCulture, $"the models do not fit into memory together: {Reference} runs {parts.Length} times"));
        }

        int perWindow = Context - 1 - Skip;
        List<ComparisonRow> rows = [];
        string served = "";
        for (int i = 0; i < parts.Length; i++)
        {
            Stretch? bar = progress is null ? null : new Stretch(progress, i, parts.Length);
            (ScoredPositions[] scores, served) = Measure(reference, parts[i], windows, cpu, device, bar, messages, cancellation);
            ComparedModel[] measured = i == 0 ? [reference, .. parts[i]] : parts[i];
            rows.AddRange(measured.Zip(scores[(i == 0 ? 0 : 1)..], (model, own) => ComparisonRow.Of(model, scores[0], own, perWindow)));
        }

        return new ComparisonResult(rows, TextName, windows, Context, Skip, (long)windows * perWindow, served, Stopwatch.GetElapsedTime(start).TotalSeconds);
    }

    /// <summary>Compares without holding up the caller; see <see cref="Run"/>.</summary>
    /// <param name="progress">Told the part that is done, 0 … 1.</param>
    /// <param name="messages">Told, a line each, what the user should know.</param>
    /// <param name="cancellation">Stops between batches.</param>
    /// <returns>A row for the reference, then one for each model.</returns>
    /// <exception cref="ArgumentException">An option is out of range, the text has no whole window, or a model has another vocabulary, another tokenizer or a shorter context.</exception>
    /// <exception cref="CheckpointException">A file is missing, damaged, or of a kind that Portable does not run.</exception>
    /// <exception cref="DeviceException">The device does not exist or cannot serve.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public Task<ComparisonResult> RunAsync(IProgress<double>? progress = null, Action<string>? messages = null, CancellationToken cancellation = default) =>
        Task.Run(() => Run(progress, messages, cancellation), cancellation);

    private void Validate()
    {
        ArgumentNullException.ThrowIfNull(Reference);
        ArgumentNullException.ThrowIfNull(Models);
        ArgumentNullException.ThrowIfNull(Text);
        ArgumentNullException.ThrowIfNull(Device);
        ArgumentOutOfRangeException.ThrowIfLessThan(Context, 2);
        ArgumentOutOfRangeException.ThrowIfNegative(Windows);
        ArgumentOutOfRangeException.ThrowIfNegative(Memory);
        if (Models.Count == 0 || Models.Contains(null!))
        {
            throw new ArgumentException(Models.Count == 0 ? "There is no model to compare." : "A model to compare is null.", nameof(Models));
        }

        if (Skip < 0 || Skip > Context - 2)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"A window of {Context} tokens has {Context - 1} predictions: 0 to {Context - 2} can be skipped, not {Skip}."), nameof(Skip));
        }
    }

    private int WindowsOf(ComparedModel reference)
    {
        int whole = reference.Tokens.Length / Context;
        return whole == 0 ? throw new ArgumentException($"The text has {reference.Tokens.Length} tokens: not one window of {Context}.", nameof(Text)) : Windows > 0 ? Math.Min(Windows, whole) : whole;
    }

    /// <summary>Models that are loaded at a time, in their order.</summary>
    private IEnumerable<ComparedModel[]> Parts(ComparedModel reference, IEnumerable<ComparedModel> models, long? free)
    {
        // A float reference does not lie on the device.
        long room = (Memory > 0 ? Memory : (free ?? GC.GetGCMemoryInfo().TotalAvailableMemoryBytes) / 4 * 3) - (free is null || reference.Quantized ? reference.Bytes : 0), taken = 0;
        List<ComparedModel> part = [];
        foreach (ComparedModel model in models)
        {
            if (part.Count > 0 && taken + model.Bytes > room)
            {
                yield return [.. part];
                part.Clear();
                taken = 0;
            }

            part.Add(model);
            taken += model.Bytes;
        }

        yield return [.. part];
    }

    private (ScoredPositions[] Scores, string Device) Measure(ComparedModel reference, ComparedModel[] models, int windows, OpenedDevice cpu, OpenedDevice device, Stretch? bar, Action<string>? messages, CancellationToken cancellation)
    {
        List<IDisposable> open = [];
        try
        {
            List<Transformer> loaded = [];
            foreach (ComparedModel model in (ComparedModel[])[reference, .. models])
            {
                cancellation.ThrowIfCancellationRequested();
                // Tables may be views of the mapped file: the source lives as long as the model.
                IModelSource source = Checkpoint.Open(model.Directory);
                open.Add(source);
                foreach (string note in source.Config.Notes)
                {
                    messages?.Invoke($"{model.Directory}: {note}");
                }

                Executor executor = (model.Quantized ? device : cpu).CreateExecutor();
                Transformer transformer = new(source, executor, 1, Context, null, cancellation);
                open.Add(transformer);
                loaded.Add(transformer);
                bar?.Loaded((double)loaded.Count / (models.Length + 1));
            }

            return (new Lockstep(loaded[0], loaded[1..], Context, windows, Skip).Run(reference.Tokens, bar, cancellation), loaded[^1].DeviceName);
        }
        finally
        {
            open.AsEnumerable().Reverse().ToList().ForEach(each => each.Dispose());
        }
    }

    /// <summary>A part's stretch of the bar, its first twentieth for loading.</summary>
    private sealed class Stretch(IProgress<double> whole, int part, int parts) : IProgress<double>
    {
        private const double Loading = 0.05;

        public void Loaded(double value) => whole.Report((part + (Loading * value)) / parts);

        public void Report(double value) => whole.Report((part + Loading + ((1 - Loading) * value)) / parts);
    }
}
