using System.Globalization;
using System.Runtime.CompilerServices;
using Portable.Checkpoints;
using Portable.Execution;
using Portable.Generation;
using Portable.Generation.Constraints;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Threading;
using Portable.Serving;
using Portable.Tokenizers;

namespace Portable;

/// <summary>A language model on a device, with its tokenizer: what generates text, gives logits and is measured.</summary>
/// <remarks>
/// Thread-safe: any thread may call any member at any time. As many texts can be under way at once as
/// the model was opened with <see cref="LanguageModelOptions.Sequences"/> (one, unless said); they take turns, step by step, on
/// the device. One more is refused with <see cref="InvalidOperationException"/>, as are <see cref="Logits(ReadOnlySpan{int})"/> and
/// <see cref="Perplexity"/>, which need the model alone, while a text is under way. A text is under way from the first piece
/// asked for until its enumeration ends or is disposed of. What is computed does not depend on what else runs. Once the model is
/// disposed of, methods throw <see cref="ObjectDisposedException"/>, and so does what is under way, at its next step.
/// </remarks>
public sealed partial class LanguageModel : IDisposable
{
    private readonly OpenedDevice _device;
    private readonly IModelSource _source;
    private readonly SequenceCache _cache;
    private readonly ModelText _text;
    private readonly PassGate _passes = new(typeof(LanguageModel).FullName!);
    private readonly int _threads = WorkerPool.Threads;
    private volatile Engine? _engine;
    private readonly Lazy<TokenSpellings> _spellings;

    private LanguageModel(string directory, OpenedDevice device, IModelSource source, ModelText text, Transformer model)
    {
        (Directory, _device, _source, _text, Model) = (directory, device, source, text, model);
        _cache = SequenceCache.Of(model);
        _chat = new Lazy<ModelChat>(() => new ModelChat(directory, Tokenizer));
        _spellings = new Lazy<TokenSpellings>(() => new TokenSpellings(Tokenizer, VocabularySize));
    }

    /// <summary>The directory that the model was read from.</summary>
    public string Directory { get; }

    /// <summary>The device that serves, with its own name ("cpu", "vulkan:0 NVIDIA H200").</summary>
    public string DeviceName => Model.DeviceName;

    /// <summary>
    /// Positions of a text that the model can read: prompt and continuation but for its last token, which nothing is predicted
    /// from. A prompt of P tokens, P &lt; Context, is continued by Context − P + 1 at most.
    /// </summary>
    public int Context => Model.Context;

    /// <summary>Number of token ids, which is the number of logits of a position.</summary>
    public int VocabularySize => Model.Config.VocabularySize;

    /// <summary>The tokenizer, read when first used.</summary>
    /// <exception cref="CheckpointException">The directory holds none, or one that cannot be read.</exception>
    public ITokenizer Tokenizer => _text.Tokenizer;

    /// <summary>The model behind the door.</summary>
    internal Transformer Model { get; }

    /// <summary>Runs many texts at once, and queues those for which there is no room; starts when first used.</summary>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    internal Engine Engine => _engine ?? StartEngine();

    /// <summary>How long the device took to open.</summary>
    internal TimeSpan DeviceTime { get; private init; }

    /// <summary>How long the checkpoint took to come onto it.</summary>
    internal TimeSpan LoadTime { get; private init; }

    /// <summary>Continues a text; the pieces come as they are made.</summary>
    /// <param name="prompt">The text. It may be empty where the model's tokenizer puts a token before it (see <see cref="Encode"/>).</param>
    /// <param name="options">How; null = 128 tokens, always the likeliest.</param>
    /// <param name="cancellation">Stops between tokens.</param>
    /// <returns>Pieces of new text, most of them a word; together the continuation, with the space between it and the prompt.</returns>
    /// <exception cref="ArgumentException">The prompt has no token or fills the context, or an option is out of range. At once; what follows comes from the enumeration.</exception>
    /// <exception cref="InvalidOperationException">As many texts as the model takes are under way.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model is, or meanwhile was, disposed of.</exception>
    public IEnumerable<string> Generate(string prompt, GenerationOptions? options = null, CancellationToken cancellation = default)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        int[] ids = Encode(prompt);
        return Pieces(Generate(ids, options, cancellation), options?.StopTexts ?? [], ids);
    }

    /// <summary>Continues token ids; the new ids come as they are made.</summary>
    /// <param name="prompt">Token ids as they are: nothing is put before them. At least one, fewer than <see cref="Context"/>.</param>
    /// <param name="options">How; null = 128 tokens, always the likeliest.</param>
    /// <param name="cancellation">Stops between tokens.</param>
    /// <returns>The new ids, at most <see cref="Context"/> − the prompt's + 1.</returns>
    /// <exception cref="ArgumentException">The prompt is empty, fills the context or has an id outside the vocabulary, or an option is out of range. At once; what follows comes from the enumeration.</exception>
    /// <exception cref="InvalidOperationException">As many texts as the model takes are under way.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model is, or meanwhile was, disposed of.</exception>
    public IEnumerable<int> Generate(int[] prompt, GenerationOptions? options = null, CancellationToken cancellation = default) => Generate(prompt, options, cancellation, []);

    /// <summary>Continues token ids up to an end token of the model or one of others.</summary>
    internal IEnumerable<int> Generate(int[] prompt, GenerationOptions? options, CancellationToken cancellation, int[] ends)
    {
        ArgumentNullException.ThrowIfNull(prompt);
        options = Valid(options);
        RequirePrompt(prompt, nameof(prompt));
        return Steps(prompt, options, cancellation, ends);
    }

    /// <summary>Continues a text without holding up the caller; the pieces come as they are made.</summary>
    /// <param name="prompt">The text. It may be empty where the model's tokenizer puts a token before it (see <see cref="Encode"/>).</param>
    /// <param name="options">How; null = 128 tokens, always the likeliest.</param>
    /// <param name="cancellation">Stops between tokens.</param>
    /// <returns>Pieces of new text, most of them a word; together the continuation, with the space between it and the prompt. What is thrown comes from the enumeration.</returns>
    /// <exception cref="ArgumentException">The prompt has no token or fills the context, or an option is out of range.</exception>
    /// <exception cref="InvalidOperationException">As many texts as the model takes are under way.</exception>
    /// <exception cref="OperationCanceledException">Cancelled.</exception>
    /// <exception cref="ObjectDisposedException">The model is, or meanwhile was, disposed of.</exception>
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
    /// <exception cref="CheckpointException">The directory holds no tokenizer, or one that cannot be read.</exception>
    /// <exception cref="ObjectDisposedException">The model was disposed of.</exception>
    public int[] Encode(string text)
    {
        ArgumentNullException.ThrowIfNull(text);
        ObjectDisposedException.ThrowIf(_passes.IsClosed, this);
        return _text.EncodeInput(text);
    }

    /// <summary>
    /// Frees the device's memory and the checkpoint's files; the second time nothing. Texts and measurements under way end with
    /// <see cref="ObjectDisposedException"/> at their next step. A step that runs on another thread is waited for, and with it the
    /// <see cref="LogitsReader"/> or progress that it calls; called by one of those, the memory is freed when the step ends.
    /// Methods throw <see cref="ObjectDisposedException"/> afterwards; properties keep their values.
    /// </summary>
    public void Dispose() => _passes.Close(() =>
    {
        _engine?.Dispose();
        Model.Dispose();
        _device.Dispose();
        _source.Dispose();
    });

    // Between passes: a model that is closed meanwhile has none, or closes it.
    private Engine StartEngine()
    {
        using PassGate.Pass pass = _passes.Enter();
        return _engine ??= new Engine(Model, _cache, _passes, _threads);
    }

    private GenerationOptions Valid(GenerationOptions? options)
    {
        ObjectDisposedException.ThrowIf(_passes.IsClosed, this);
        options ??= new GenerationOptions();
        options.Validate();
        foreach (int id in options.LogitBias.Keys)
        {
            if (id >= VocabularySize)
            {
                throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"A logit bias is of token {id:N0}; the vocabulary has {VocabularySize:N0} tokens."), nameof(GenerationOptions.LogitBias));
            }
        }

        return options;
    }

    private void RequirePrompt(ReadOnlySpan<int> prompt, string name)
    {
        if (prompt.IsEmpty)
        {
            throw new ArgumentException("The prompt has no token.", name);
        }

        if (prompt.Length >= Context)
        {
            throw new ArgumentException($"The prompt has {prompt.Length} tokens; the model's context is {Context}.", name);
        }

        RequireKnown(prompt, name);
    }

    private IEnumerable<int> Steps(int[] prompt, GenerationOptions options, CancellationToken cancellation, params int[] ends)
    {
        ObjectDisposedException.ThrowIf(_passes.IsClosed, this);
        using TakenSequence taken = _cache.TakeWhole(prompt, (int)Math.Min(Context, prompt.Length + (long)options.MaximumTokens));
        Generator generator = new(Model, new Sampler(options.Sampling, options.Choice), taken, _passes);
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
}
