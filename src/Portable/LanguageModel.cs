using System.Diagnostics;
using System.Globalization;
using System.Runtime.CompilerServices;
using Portable.Checkpoints;
using Portable.Checkpoints.Format;
using Portable.Evaluation;
using Portable.Execution;
using Portable.Generation;
using Portable.Generation.Constraints;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Arithmetic;
using Portable.Reference.Operations;
using Portable.Reference.Threading;
using Portable.Serving;
using Portable.Tokenizers;

namespace Portable;

/// <summary>A language model on a device, with its tokenizer: what generates text, gives logits and is measured.</summary>
/// <remarks>
/// Thread-safe: any thread may call any member at any time but <see cref="Dispose"/>. As many texts can be under way at once as
/// the model was opened with <see cref="LanguageModelOptions.Sequences"/> (one, unless said); they take turns, step by step, on
/// the device. One more is refused with <see cref="InvalidOperationException"/>, as are <see cref="Logits(ReadOnlySpan{int})"/> and
/// <see cref="Perplexity"/>, which need the model alone, while a text is under way. A text is under way from the first piece
/// asked for until its enumeration ends or is disposed of. What is computed does not depend on what else runs.
/// </remarks>
public sealed partial class LanguageModel : IDisposable
{
    private readonly OpenedDevice _device;
    private readonly IModelSource _source;
    private readonly SequenceCache _cache;
    private readonly ModelText _text;
    private readonly Lock _steps = new();
    private bool _disposed;
    private readonly Lazy<Engine> _engine;
    private readonly Lazy<TokenSpellings> _spellings;

    private LanguageModel(string directory, OpenedDevice device, IModelSource source, ModelText text, Transformer model)
    {
        (Directory, _device, _source, _text, Model) = (directory, device, source, text, model);
        _cache = SequenceCache.Of(model);
        _chat = new Lazy<ModelChat>(() => new ModelChat(directory, Tokenizer));
        _spellings = new Lazy<TokenSpellings>(() => new TokenSpellings(Tokenizer, VocabularySize));
        int threads = WorkerPool.Threads;
        _engine = new Lazy<Engine>(() => new Engine(Model, _cache, _steps, threads));
    }

    /// <summary>The directory that the model was read from.</summary>
    public string Directory { get; }

    /// <summary>The device that serves, with its own name ("cpu", "vulkan:0 NVIDIA H200").</summary>
    public string DeviceName => Model.DeviceName;

    /// <summary>Positions that a text can have, prompt and continuation together.</summary>
    public int Context => Model.Context;

    /// <summary>Number of token ids, which is the number of logits of a position.</summary>
    public int VocabularySize => Model.Config.VocabularySize;

    /// <summary>The tokenizer, read when first used.</summary>
    /// <exception cref="CheckpointException">The directory holds none, or one that cannot be read.</exception>
    public ITokenizer Tokenizer => _text.Tokenizer;

    /// <summary>The model behind the door.</summary>
    internal Transformer Model { get; }

    /// <summary>Runs many texts at once, and queues those for which there is no room; starts when first used.</summary>
    internal Engine Engine => _engine.Value;

    /// <summary>How long the device took to open.</summary>
    internal TimeSpan DeviceTime { get; private init; }

    /// <summary>How long the checkpoint took to come onto it.</summary>
    internal TimeSpan LoadTime { get; private init; }

    /// <summary>Opens a model on the CPU.</summary>
    /// <param name="directory">A Hugging Face checkpoint (float) or a Portable checkpoint (quantized).</param>
    /// <exception cref="CheckpointException">A file is missing, damaged, or of a kind that Portable does not run.</exception>
    public static LanguageModel Open(string directory) => Open(directory, Device.Cpu);

    /// <summary>Opens a model on a device.</summary>
    /// <param name="directory">A Hugging Face checkpoint (float; on the CPU only) or a Portable checkpoint (quantized).</param>
    /// <param name="device">Where it runs.</param>
    /// <exception cref="CheckpointException">A file is missing, damaged, or of a kind that Portable does not run.</exception>
    /// <exception cref="DeviceException">The device does not exist or cannot serve.</exception>
    public static LanguageModel Open(string directory, Device device) => Open(directory, device, new LanguageModelOptions());

    /// <summary>Opens a model on a device, with options.</summary>
    /// <param name="directory">A Hugging Face checkpoint (float; on the CPU only) or a Portable checkpoint (quantized).</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="options">Context, texts at once, progress and messages.</param>
    /// <param name="cancellation">Stops loading.</param>
    /// <exception cref="ArgumentException">An option is out of range: a longer context than the model's, for one.</exception>
    /// <exception cref="CheckpointException">A file is missing, damaged, or of a kind that Portable does not run.</exception>
    /// <exception cref="DeviceException">The device does not exist or cannot serve.</exception>
    public static LanguageModel Open(string directory, Device device, LanguageModelOptions options, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(directory);
        ArgumentNullException.ThrowIfNull(device);
        ArgumentNullException.ThrowIfNull(options);
        ArgumentOutOfRangeException.ThrowIfNegative(options.Context);
        ArgumentOutOfRangeException.ThrowIfLessThan(options.Sequences, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(options.CacheTokens);
        return Open(directory, device, options, (_, _) => options.Context, cancellation);
    }

    /// <summary>Opens a model whose context follows from a text.</summary>
    /// <param name="directory">The checkpoint.</param>
    /// <param name="device">Where it runs.</param>
    /// <param name="options">Texts at once, progress and messages.</param>
    /// <param name="contextOf">Positions wanted of the model, asked before anything is loaded; 0 = the model's maximum.</param>
    /// <param name="cancellation">Stops loading.</param>
    /// <param name="tokensOf">Positions that all texts share, of the model and its context, where the options do not say; null or 0 = texts × context.</param>
    internal static LanguageModel Open(string directory, Device device, LanguageModelOptions options, Func<ModelConfig, ModelText, int> contextOf, CancellationToken cancellation, Func<ModelConfig, int, int>? tokensOf = null)
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
            int context = contextOf(source.Config, text);
            if (context > source.Config.MaximumPositions)
            {
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"{directory}: {context:N0} tokens are more than the model takes ({source.Config.ContextText})"));
            }

            int positions = context == 0 ? source.Config.MaximumPositions : context;
            options = options with { CacheTokens = options.CacheTokens == 0 && tokensOf is not null ? tokensOf(source.Config, positions) : options.CacheTokens };

            // Tables may be views of the mapped file: the source lives as long as the model. A model that cannot be loaded
            // disposes of its executor itself.
            IProgress<int>? blocks = options.Progress is { } progress ? new Fraction(progress, source.Config.Layers) : null;
            Transformer model = new(source, opened.CreateExecutor(), options.Sequences, context, blocks, cancellation, Pages(options, positions));
            if (options.CacheTokens > 0 && model.Pages is null)
            {
                model.Dispose();
                throw new ArgumentException($"{directory}: texts cannot share a cache of {options.CacheTokens:N0} tokens, for blocks of the model see no more than a window and give up what lies behind; each text has a cache of its own.");
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

    /// <summary>Continues a text; the pieces come as they are made.</summary>
    /// <param name="prompt">The text.</param>
    /// <param name="options">How; null = 128 tokens, always the likeliest.</param>
    /// <returns>Pieces of new text, most of them a word; together the continuation, with the space between it and the prompt.</returns>
    /// <exception cref="ArgumentException">The prompt is empty or fills the context, or an option is out of range.</exception>
    /// <exception cref="InvalidOperationException">As many texts as the model takes are under way.</exception>
    public IEnumerable<string> Generate(string prompt, GenerationOptions? options = null)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        int[] ids = Encode(prompt);
        return Pieces(Generate(ids, options), options?.StopTexts ?? [], ids);
    }

    /// <summary>Continues token ids; the new ids come as they are made.</summary>
    /// <param name="prompt">Token ids as they are: nothing is put before them. At least one.</param>
    /// <param name="options">How; null = 128 tokens, always the likeliest.</param>
    /// <param name="cancellation">Stops between tokens.</param>
    /// <exception cref="ArgumentException">The prompt is empty or fills the context, or an option is out of range.</exception>
    /// <exception cref="InvalidOperationException">As many texts as the model takes are under way.</exception>
    public IEnumerable<int> Generate(int[] prompt, GenerationOptions? options = null, CancellationToken cancellation = default) => Generate(prompt, options, cancellation, []);

    /// <summary>Continues token ids up to an end token of the model or one of others.</summary>
    internal IEnumerable<int> Generate(int[] prompt, GenerationOptions? options, CancellationToken cancellation, int[] ends)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        return Steps(prompt, Valid(options), cancellation, ends);
    }

    /// <summary>Continues a text without holding up the caller; the pieces come as they are made.</summary>
    /// <param name="prompt">The text.</param>
    /// <param name="options">How; null = 128 tokens, always the likeliest.</param>
    /// <param name="cancellation">Stops between tokens.</param>
    /// <returns>Pieces of new text, most of them a word; together the continuation, with the space between it and the prompt.</returns>
    /// <exception cref="ArgumentException">The prompt is empty or fills the context, or an option is out of range.</exception>
    /// <exception cref="InvalidOperationException">As many texts as the model takes are under way.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    public async IAsyncEnumerable<string> GenerateAsync(string prompt, GenerationOptions? options = null, [EnumeratorCancellation] CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        int[] ids = Encode(prompt);
        using IEnumerator<string> pieces = Pieces(Generate(ids, options, cancellation), options?.StopTexts ?? [], ids).GetEnumerator();
        while (await Task.Run(pieces.MoveNext, cancellation).ConfigureAwait(false))
        {
            yield return pieces.Current;
        }
    }

    /// <summary>Token ids of a text as the model is fed it: what its tokenizer puts before a text stands first.</summary>
    /// <param name="text">The text; the text of special tokens in it is ordinary text.</param>
    public int[] Encode(string text) => _text.EncodeInput(text);

    /// <summary>Logits of the token that would come next.</summary>
    /// <param name="ids">Token ids as they are: nothing is put before them. At least one, at most <see cref="Context"/>.</param>
    /// <returns>One logit per token id.</returns>
    /// <exception cref="ArgumentException">No id, too many, or one outside the vocabulary.</exception>
    /// <exception cref="InvalidOperationException">A text is under way.</exception>
    public float[] Logits(ReadOnlySpan<int> ids)
    {
        float[] last = new float[VocabularySize];
        Logits(ids, (_, logits) => logits[^last.Length..].CopyTo(last));
        return last;
    }

    /// <summary>Logits of every position.</summary>
    /// <param name="ids">Token ids as they are: nothing is put before them. At least one, at most <see cref="Context"/>.</param>
    /// <param name="read">Takes the logits of some positions at a time.</param>
    /// <param name="chunk">Positions that are fed at a time; 0 = as many as the device takes. A quantized model's logits do not depend on it.</param>
    /// <param name="cancellation">Stops between chunks.</param>
    /// <exception cref="ArgumentException">No id, too many, or one outside the vocabulary.</exception>
    /// <exception cref="InvalidOperationException">A text is under way.</exception>
    public void Logits(ReadOnlySpan<int> ids, LogitsReader read, int chunk = 0, CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(read);
        ArgumentOutOfRangeException.ThrowIfNegative(chunk);
        if (ids.IsEmpty || ids.Length > Context)
        {
            throw new ArgumentException($"Logits are of 1 to {Context} tokens, not {ids.Length}.");
        }

        using IDisposable alone = _cache.TakeAll();
        int step = chunk == 0 ? Model.MaximumRows : Math.Min(chunk, Model.MaximumRows);
        for (int start = 0; start < ids.Length; start += step)
        {
            cancellation.ThrowIfCancellationRequested();
            int rows = Math.Min(step, ids.Length - start);
            read(start, Model.Forward(Batch.Consecutive(ids.Slice(start, rows), start, allLogits: true)));
        }
    }

    /// <summary>How well the model predicts a text: non-overlapping windows, each scored on its own, a partial last one left out.</summary>
    /// <param name="text">The text.</param>
    /// <param name="context">Tokens of a window, 2 to <see cref="Context"/>.</param>
    /// <param name="windows">The first so many windows; 0 = all.</param>
    /// <param name="progress">Told the part that is done, 0 … 1.</param>
    /// <param name="cancellation">Stops between windows.</param>
    /// <exception cref="ArgumentException">The text has no whole window, or the context is out of range.</exception>
    /// <exception cref="InvalidOperationException">A text is under way.</exception>
    public PerplexityResult Perplexity(string text, int context = 512, int windows = 0, IProgress<double>? progress = null, CancellationToken cancellation = default)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        ArgumentNullException.ThrowIfNull(text);
        int[] ids = Encode(text);
        using IDisposable alone = _cache.TakeAll();
        try
        {
            return Evaluation.Perplexity.Measure(Model, ids, context, windows, progress is null ? null : new WindowProgress(progress, Model, ids.Length / Math.Max(1, context), windows), cancellation);
        }
        finally
        {
            Model.BlockDone = null;
        }
    }

    /// <summary>Frees the device's memory and the checkpoint's files. No text may be under way.</summary>
    public void Dispose()
    {
        if (_disposed)
        {
            return;
        }

        _disposed = true;
        if (_engine.IsValueCreated)
        {
            _engine.Value.Dispose();
        }

        Model.Dispose();
        _device.Dispose();
        _source.Dispose();
    }

    // A model for one text needs no table of pages.
    private static int Pages(LanguageModelOptions options, int context)
    {
        if (options.CacheTokens > 0 && options.CacheTokens < context)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"A cache of {options.CacheTokens:N0} tokens has no room for one text of {context:N0}."));
        }

        return options.CacheTokens > 0 ? PageTable.ChunksOf(options.CacheTokens) : options.Sequences > 1 ? options.Sequences * PageTable.ChunksOf(context) : 0;
    }

    private GenerationOptions Valid(GenerationOptions? options)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        options ??= new GenerationOptions();
        options.Validate();
        foreach (int id in options.LogitBias.Keys)
        {
            if (id >= VocabularySize)
            {
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"A logit bias is of token {id:N0}; the vocabulary has {VocabularySize:N0} tokens."));
            }
        }

        return options;
    }

    private IEnumerable<int> Steps(int[] prompt, GenerationOptions options, CancellationToken cancellation, params int[] ends)
    {
        ObjectDisposedException.ThrowIf(_disposed, this);
        using TakenSequence taken = _cache.TakeWhole(prompt, (int)Math.Min(Context, prompt.Length + (long)options.MaximumTokens));
        Generator generator = new(Model, new Sampler(options.Sampling, options.Choice), taken, _steps);
        foreach (int id in generator.Generate(prompt, options.MaximumTokens, options.IgnoreEnd, cancellation, ends))
        {
            yield return id;
        }
    }

    /// <summary>Pieces of text of new ids.</summary>
    /// <param name="ids">The ids.</param>
    /// <param name="stopTexts">Texts that end it.</param>
    /// <param name="continued">The ids whose text goes on; none = the text is one of its own.</param>
    private IEnumerable<string> Pieces(IEnumerable<int> ids, IReadOnlyList<string> stopTexts, int[] continued)
    {
        StreamingDecoder decoder = new(Tokenizer, before: continued);
        StopTexts stops = new(stopTexts);
        foreach (int id in ids)
        {
            if (stops.Push(decoder.Next(id)) is { Length: > 0 } piece)
            {
                yield return piece;
            }

            if (stops.Stopped)
            {
                yield break;
            }
        }

        if (stops.Push(decoder.Finish()) + stops.Finish() is { Length: > 0 } rest)
        {
            yield return rest;
        }
    }

    private sealed class Fraction(IProgress<double> progress, int total) : IProgress<int>
    {
        public void Report(int value) => progress.Report((double)value / total);
    }
}
