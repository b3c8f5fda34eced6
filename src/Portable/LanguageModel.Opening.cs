using System.Diagnostics;
using System.Globalization;
using Portable.Checkpoints;
using Portable.Checkpoints.Format;
using Portable.Execution;
using Portable.Generation;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Operations;
using Portable.Tokenizers;

namespace Portable;

/// <content>From a directory to a model that runs.</content>
public sealed partial class LanguageModel
{
    /// <summary>Opens a model on the CPU.</summary>
    /// <param name="directory">A Hugging Face checkpoint (float) or a Portable checkpoint (quantized).</param>
    /// <exception cref="CheckpointException">A file is missing, damaged, or of a kind that Portable does not run.</exception>
    /// <exception cref="DeviceMemoryException">Memory has no room for it.</exception>
    public static LanguageModel Open(string directory) => Open(directory, Device.Cpu);

    /// <summary>Opens a model on a device.</summary>
    /// <param name="directory">A Hugging Face checkpoint (float; on the CPU only) or a Portable checkpoint (quantized).</param>
    /// <param name="device">Where it runs.</param>
    /// <exception cref="CheckpointException">A file is missing, damaged, or of a kind that Portable does not run.</exception>
    /// <exception cref="DeviceException">The device does not exist or cannot serve; a <see cref="DeviceMemoryException"/> where it has no room.</exception>
    public static LanguageModel Open(string directory, Device device) => Open(directory, device, new LanguageModelOptions());

    /// <summary>Opens a model on a device, with options.</summary>
    /// <param name="directory">A Hugging Face checkpoint (float; on the CPU only) or a Portable checkpoint (quantized).</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="options">Context, texts at once, progress and messages.</param>
    /// <param name="cancellation">Stops loading.</param>
    /// <exception cref="ArgumentException">An option is out of range: a longer context than the model's, for one.</exception>
    /// <exception cref="CheckpointException">A file is missing, damaged, or of a kind that Portable does not run.</exception>
    /// <exception cref="DeviceException">The device does not exist or cannot serve.</exception>
    /// <exception cref="DeviceMemoryException">Memory has no room for the texts that are asked for; said before it is taken.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static LanguageModel Open(string directory, Device device, LanguageModelOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Context, nameof(LanguageModelOptions.Context));
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Sequences, 1, nameof(LanguageModelOptions.Sequences));
        ArgumentOutOfRangeException.ThrowIfNegative(options.CacheTokens, nameof(LanguageModelOptions.CacheTokens));
        return Open(directory, device, options, (_, _) => options.Context, cancellation);
    }

    /// <summary>Opens a model without holding up the caller; see <see cref="Open(string, Device, LanguageModelOptions, CancellationToken)"/>.</summary>
    /// <param name="directory">A Hugging Face checkpoint (float; on the CPU only) or a Portable checkpoint (quantized).</param>
    /// <param name="device">Where it runs; null = the CPU.</param>
    /// <param name="options">Context, texts at once, progress and messages; null = the defaults.</param>
    /// <param name="cancellation">Stops loading.</param>
    /// <exception cref="ArgumentException">An option is out of range: a longer context than the model's, for one.</exception>
    /// <exception cref="CheckpointException">A file is missing, damaged, or of a kind that Portable does not run.</exception>
    /// <exception cref="DeviceException">The device does not exist or cannot serve.</exception>
    /// <exception cref="DeviceMemoryException">Memory has no room for the texts that are asked for; said before it is taken.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public static Task<LanguageModel> OpenAsync(string directory, Device? device = null, LanguageModelOptions? options = null, CancellationToken cancellation = default) =>
        Task.Run(() => Open(directory, device ?? Device.Cpu, options ?? new LanguageModelOptions(), cancellation), cancellation);

    /// <summary>Opens a model whose context follows from a text.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="options">Texts at once, progress and messages.</param>
    /// <param name="contextOf">Positions wanted of the model, asked before anything is loaded; 0 = the model's maximum, or what memory has room for.</param>
    /// <param name="cancellation">Stops loading.</param>
    /// <param name="roomOf">The room of a model, none larger than the second number; null = the context wanted, and what the options share.</param>
    /// <param name="memory">Bytes that the process may have; null = as the system says.</param>
    internal static LanguageModel Open(
        string directory, Device device, LanguageModelOptions options, Func<IModelSource, ModelText, int> contextOf, CancellationToken cancellation, Func<IModelSource, int, TextRoom>? roomOf = null, long? memory = null)
    {
        // The device first: that it does not exist is known before a large file is read.
        long start = Stopwatch.GetTimestamp();
        OpenedDevice opened = device.Open(options.Messages);
        IModelSource? source = null;
        try
        {
            TimeSpan deviceTime = Stopwatch.GetElapsedTime(start);
            ModelText text = ModelText.Begin(directory);
            if (opened is OpenedCpu)
            {
                Rehearse(directory);
            }

            source = Checkpoint.Open(directory);
            int asked = contextOf(source, text);
            Refuse(directory, source, asked);
            long share = CacheRoom.Share(opened.FreeBytes ?? memory ?? CacheRoom.MachineBytes);
            Func<int, TextRoom> room = roomOf is not null ? most => roomOf(source, most)
                : most => new TextRoom(asked > 0 ? asked : Math.Min(most, Affordable(source, options, share)), options.CacheTokens);
            // What somebody asks for is no smaller than that.
            Transformer model = Load(directory, source, opened, options, room, memory ?? CacheRoom.MachineBytes, mayShorten: asked == 0 && options.CacheTokens == 0, cancellation);
            if (asked == 0 && model.Context < source.Config.MaximumPositions)
            {
                options.Messages?.Invoke(string.Create(
                    CultureInfo.InvariantCulture, $"texts can have {model.Context:N0} of the model's {source.Config.MaximumPositions:N0} tokens: {CacheRoom.Why(source, model.Context)}"));
            }

            foreach (string note in source.Config.Notes)
            {
                options.Messages?.Invoke(note);
            }

            return new LanguageModel(directory, opened, source, text, model) { DeviceTime = deviceTime, LoadTime = Stopwatch.GetElapsedTime(start) - deviceTime };
        }
        catch
        {
            source?.Dispose();
            opened.Dispose();
            throw;
        }
    }

    /// <summary>Begins, on other threads, what opening a directory on the CPU will wait for: a program calls this while it still reads its command line. What goes wrong is told by opening.</summary>
    /// <param name="directory">The checkpoint that will probably be opened.</param>
    internal static void Foresee(string directory)
    {
        Rehearse(directory);
        ModelText.Foresee(directory);
    }

    private static void Rehearse(string directory) =>
        Rehearsal.Begin(() => PortableCheckpoint.Glance(directory) is { } seen ? new ModelKind(seen.Config, seen.Scheme, seen.Brain ? ElementType.BFloat16 : ElementType.Float16) : null);

    private static void Refuse(string directory, IModelSource source, int context)
    {
        int longest = CacheRoom.Longest(source.Config, source.KeyValueBits);
        if (context > source.Config.MaximumPositions)
        {
            throw new ArgumentException(
                string.Create(CultureInfo.InvariantCulture, $"{directory}: {context:N0} tokens are more than the model takes ({source.Config.ContextText})"), nameof(LanguageModelOptions.Context));
        }

        if (context > longest)
        {
            throw new ArgumentException(
                string.Create(CultureInfo.InvariantCulture, $"{directory}: {context:N0} tokens are more than its cache of {source.KeyValueBits} bits takes ({longest:N0})"), nameof(LanguageModelOptions.Context));
        }
    }

    private static int Affordable(IModelSource source, LanguageModelOptions options, long bytes)
    {
        int each = CacheRoom.Context(source.Config, source.KeyValueBits, options.CacheTokens > 0 ? 1 : options.Sequences, bytes);
        return options.CacheTokens > 0 ? Math.Min(each, options.CacheTokens) : each;
    }

    // The one place where texts are given less room than was hoped for.
    private static Transformer Load(
        string directory, IModelSource source, OpenedDevice device, LanguageModelOptions options, Func<int, TextRoom> roomOf, long memory, bool mayShorten, CancellationToken cancellation)
    {
        int most = int.MaxValue;
        while (true)
        {
            TextRoom room = roomOf(most);
            (int context, long pages) = (room.Context, Pages(options.Sequences, room));
            try
            {
                CacheRoom.Require(source.Config, source.KeyValueBits, options.Sequences, context, pages, device.FreeBytes is not null, memory);

                // Tables may be views of the mapped file: the source lives as long as the model. A model that cannot be loaded
                // disposes of its executor itself.
                IProgress<int>? blocks = options.Progress is { } progress ? new Fraction(progress, source.Config.Layers) : null;
                Transformer model = new(source, device.CreateExecutor(), options.Sequences, context, blocks, cancellation, (int)pages);
                if (room.Shared == 0 || model.Pages is not null)
                {
                    return model;
                }

                model.Dispose();
                throw new ArgumentException(
                    string.Create(CultureInfo.InvariantCulture, $"{directory}: texts cannot share a cache of {room.Shared:N0} tokens, for blocks of the model see no more than a window and give up what lies behind; each text has a cache of its own."),
                    nameof(LanguageModelOptions.CacheTokens));
            }
            catch (DeviceMemoryException) when (mayShorten && Math.Max(context, room.Shared) > CacheRoom.Least)
            {
                // A device that is full says so before it takes anything.
                most = Math.Max(CacheRoom.Least, Math.Max(context, room.Shared) / 2);
            }
            catch (OutOfMemoryException e)
            {
                throw CacheRoom.Refusal(options.Sequences, context, CacheRoom.BytesOf(source.Config, source.KeyValueBits, options.Sequences, context, pages), memory, e);
            }
        }
    }

    // A model for one text needs no table of pages.
    private static long Pages(int sequences, TextRoom room)
    {
        if (room.Shared > 0 && room.Shared < room.Context)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"A cache of {room.Shared:N0} tokens has no room for one text of {room.Context:N0}."), nameof(LanguageModelOptions.CacheTokens));
        }

        return room.Shared > 0 ? PageTable.ChunksOf(room.Shared) : sequences > 1 ? (long)sequences * PageTable.ChunksOf(room.Context) : 0;
    }
}
