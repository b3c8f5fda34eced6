using System.Diagnostics;
using System.Globalization;
using Portable.Checkpoints.Format;
using Portable.Cli.Devices;
using Portable.Cli.Output;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Tokenizers;

namespace Portable.Cli.Verbs;

/// <summary>A model on its device, with its tokenizer.</summary>
public sealed class LoadedModel : IDisposable
{
    private readonly IModelSource source;

    private LoadedModel(string directory, IModelSource source, ModelText text, Transformer model) => (Directory, this.source, Text, Model) = (directory, source, text, model);

    /// <summary>Where it was read from.</summary>
    public string Directory { get; }

    /// <summary>How long the device took to open.</summary>
    public TimeSpan DeviceTime { get; private init; }

    /// <summary>How long the checkpoint took to come onto it.</summary>
    public TimeSpan LoadTime { get; private init; }

    /// <summary>The model.</summary>
    public Transformer Model { get; }

    /// <summary>Its texts as tokens.</summary>
    public ModelText Text { get; }

    /// <summary>Its tokenizer.</summary>
    public ITokenizer Tokenizer => Text.Tokenizer;

    /// <summary>Opens a checkpoint of either kind and loads it onto a device.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="selection">The device.</param>
    /// <param name="terminal">Shows progress.</param>
    /// <param name="cancellation">Stops loading.</param>
    /// <param name="context">Positions wanted; 0 = the model's maximum.</param>
    /// <exception cref="ArgumentException">More positions than the model takes.</exception>
    public static LoadedModel Open(string directory, DeviceSelection selection, Terminal terminal, CancellationToken cancellation, int context = 0) =>
        Open(directory, selection, terminal, cancellation, (_, _) => context);

    /// <summary>Opens a checkpoint whose context follows from a text.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="selection">The device.</param>
    /// <param name="terminal">Shows progress.</param>
    /// <param name="cancellation">Stops loading.</param>
    /// <param name="contextOf">Positions wanted of the model, asked before anything is loaded; 0 = the model's maximum.</param>
    /// <exception cref="ArgumentException">More positions than the model takes.</exception>
    public static LoadedModel Open(string directory, DeviceSelection selection, Terminal terminal, CancellationToken cancellation, Func<ModelConfig, ModelText, int> contextOf)
    {
        // The device first: that it does not exist is known before a large file is read.
        long start = Stopwatch.GetTimestamp();
        Executor executor = selection.CreateExecutor(terminal);
        TimeSpan opened = Stopwatch.GetElapsedTime(start);
        IModelSource? source = null;
        ModelText text;
        int context;
        try
        {
            source = Checkpoint.Open(directory);
            text = new ModelText(directory, source.Config);
            context = contextOf(source.Config, text);
            RequireContext(directory, source.Config, context);
        }
        catch
        {
            source?.Dispose();
            executor.Dispose();
            throw;
        }

        try
        {
            // Tables may be views of the mapped file: the source lives as long as the model. A model that cannot be loaded
            // disposes of its executor itself.
            Transformer model = terminal.Track("loading", bar => new Transformer(source, executor, 1, context, new Fraction(bar, source.Config.Layers), cancellation));
            foreach (string note in source.Config.Notes)
            {
                terminal.Warning(note);
            }

            return new LoadedModel(directory, source, text, model) { DeviceTime = opened, LoadTime = Stopwatch.GetElapsedTime(start) - opened };
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Model.Dispose();
        source.Dispose();
    }

    private static void RequireContext(string directory, ModelConfig config, int context)
    {
        if (context > config.MaximumPositions)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{directory}: {context:N0} tokens are more than the model takes ({config.ContextText})"));
        }
    }
}
