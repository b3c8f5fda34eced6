using System.Diagnostics;
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
    private ITokenizer? tokenizer;

    private LoadedModel(string directory, IModelSource source, Transformer model) => (Directory, this.source, Model) = (directory, source, model);

    /// <summary>Where it was read from.</summary>
    public string Directory { get; }

    /// <summary>How long the device took to open.</summary>
    public TimeSpan DeviceTime { get; private init; }

    /// <summary>How long the checkpoint took to come onto it.</summary>
    public TimeSpan LoadTime { get; private init; }

    /// <summary>The model.</summary>
    public Transformer Model { get; }

    /// <summary>Its tokenizer, read when first used: <c>logits</c> needs none.</summary>
    public ITokenizer Tokenizer => tokenizer ??= Tokenizers.Tokenizer.Open(Directory);

    /// <summary>Opens a checkpoint of either kind and loads it onto a device.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="selection">The device.</param>
    /// <param name="terminal">Shows progress.</param>
    /// <param name="cancellation">Stops loading.</param>
    /// <param name="context">Positions wanted; 0 = the model's maximum.</param>
    public static LoadedModel Open(string directory, DeviceSelection selection, Terminal terminal, CancellationToken cancellation, int context = 0)
    {
        // The device first: that it does not exist is known before a large file is read.
        long start = Stopwatch.GetTimestamp();
        Executor executor = selection.CreateExecutor(terminal);
        TimeSpan opened = Stopwatch.GetElapsedTime(start);
        IModelSource source;
        try
        {
            source = OpenSource(directory, context);
        }
        catch
        {
            executor.Dispose();
            throw;
        }

        try
        {
            // Tables may be views of the mapped file: the source lives as long as the model. A model that cannot be loaded
            // disposes of its executor itself.
            Transformer model = terminal.Track("loading", bar => new Transformer(source, executor, 1, context, new Fraction(bar, source.Config.Layers), cancellation));
            return new LoadedModel(directory, source, model) { DeviceTime = opened, LoadTime = Stopwatch.GetElapsedTime(start) - opened };
        }
        catch
        {
            source.Dispose();
            throw;
        }
    }

    /// <summary>Token ids of a text, the model's begin token first where it has one.</summary>
    public int[] EncodeWithBegin(string text)
    {
        int[] ids = Tokenizer.Encode(text);
        return Model.Config.BeginToken is { } begin ? [begin, .. ids] : ids;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        Model.Dispose();
        source.Dispose();
    }

    private static IModelSource OpenSource(string directory, int context)
    {
        IModelSource source = Checkpoint.Open(directory);
        if (context <= source.Config.MaximumPositions)
        {
            return source;
        }

        source.Dispose();
        throw new ArgumentException($"{directory}: {context} tokens are more than the model's {source.Config.MaximumPositions} positions");
    }
}
