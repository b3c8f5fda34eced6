using System.Globalization;
using System.Numerics.Tensors;
using Portable.Execution;
using Portable.Inference;
using Portable.Models;
using Portable.Reference.Blocks;

namespace Portable.Calibration;

/// <summary>Sees the f32 input of the linears of a float block.</summary>
/// <param name="input">Which input.</param>
/// <param name="values">Rows × columns, rows being consecutive tokens of one window; valid during the call.</param>
/// <param name="rows">Number of rows.</param>
internal delegate void BlockObserver(BlockInput input, ReadOnlySpan<float> values, int rows);

/// <summary>Is given the f32 input of the linears of a float block where it is, behind the pass that made it.</summary>
/// <param name="executor">The pass's executor, between two passes.</param>
/// <param name="input">Which input.</param>
/// <param name="values">Rows × columns.</param>
/// <param name="rows">Number of rows.</param>
internal delegate void DeviceObserver(Executor executor, BlockInput input, DeviceActivation values, int rows);

/// <summary>
/// Hidden states of calibration windows on their way through a model, block by block: the same forward pass that serves
/// inference, so what is calibrated is what runs. Blocks run on any calibration device, with the same bits. One block's weights and
/// one batch's activations are in memory at a time; the hidden states themselves spill to disk beyond the storage's budget.
/// </summary>
internal sealed partial class BlockStream : IDisposable
{
    // Norms add squares: 2^24 of these fit f32.
    private const float LargestHidden = 1L << 51;

    private readonly ModelConfig _config;
    private readonly BlockStage _cpu;
    private readonly ICalibrationDevice? _device;
    private readonly StreamStorage _storage;
    private readonly int _context, _keyValueBits;
    private readonly IReadOnlyList<int[]> _windows;
    private readonly StreamSlot[] _slots;
    private readonly CancellationToken _cancellation;
    private static readonly CpuCalibration Cpu = new();

    /// <summary>Embeds the windows.</summary>
    /// <param name="source">The model; its embedding is read.</param>
    /// <param name="windows">Token windows, each at most the model's context.</param>
    /// <param name="keyValueBits">KV cache of quantized blocks; float blocks use single precision.</param>
    /// <param name="storage">Keeps the hidden states.</param>
    /// <param name="device">Where blocks run; null = on the CPU.</param>
    /// <param name="cancellation">Stops between windows.</param>
    /// <param name="embedding">What to embed with; null = the model's own.</param>
    public BlockStream(IModelSource source, IReadOnlyList<int[]> windows, int keyValueBits, StreamStorage storage, ICalibrationDevice? device = null, CancellationToken cancellation = default, TableWeights? embedding = null)
    {
        (_config, _windows, _device, _cancellation) = (source.Config, windows, device, cancellation);
        int context = windows.Max(w => w.Length);
        CheckContext(_config, context);

        _cpu = new BlockStage(new CpuExecutor(), _config.HiddenSize, 1, context);
        (_context, _keyValueBits, _storage) = (context, keyValueBits, storage);
        _slots = [.. windows.Select(w => storage.Allocate(w.Length * _config.HiddenSize))];
        DeviceTable rows = _cpu.Executor.Upload(embedding ?? source.LoadEmbedding());
        DeviceTable? positions = source.LoadPositions() is { } table ? _cpu.Executor.Upload(new TableWeights(table)) : null;
        for (int window = 0; window < windows.Count; window++)
        {
            ForEachBatch(_cpu, window, read: false, write: true, "The embedding", null, null, _ => _cpu.Executor.Embed(rows, _config.EmbeddingScale, positions, _config.LearnedPositionOffset ?? 0, _cpu.X));
        }
    }

    /// <summary>Refuses windows that the model does not take.</summary>
    /// <param name="config">The model's shape.</param>
    /// <param name="context">Tokens of a window.</param>
    /// <exception cref="ArgumentException">They are more than its positions.</exception>
    public static void CheckContext(ModelConfig config, int context)
    {
        if (context > config.MaximumPositions)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"Calibration windows of {context:N0} tokens are more than the model takes ({config.ContextText})."));
        }
    }

    /// <summary>The most tokens of a batch on any device.</summary>
    public int LargestBatch => _context;

    /// <summary>Tokens of all windows.</summary>
    public long Tokens => _windows.Sum(w => (long)w.Length);

    /// <summary>Runs a float block without moving the stream on, and shows the inputs of its linears.</summary>
    /// <param name="block">Float weights.</param>
    /// <param name="observer">Called for every input of every batch, in the order of the windows.</param>
    /// <param name="last">The last input that is wanted: what lies behind it is not run.</param>
    public void Observe(BlockWeights block, BlockObserver observer, BlockInput last = BlockInput.Down) => Run(block, observer, null, last);

    /// <summary>Runs a float block without moving the stream on, and sums the inputs of its linears where it runs.</summary>
    /// <param name="block">Float weights.</param>
    /// <param name="sums">What is summed of each input, made by <see cref="Device"/>.</param>
    /// <param name="last">The last input that is wanted: what lies behind it is not run.</param>
    public void Sum(BlockWeights block, IReadOnlyDictionary<BlockInput, IInputSums> sums, BlockInput last = BlockInput.Down) => Run(block, null, sums, last);

    /// <summary>Where float blocks run.</summary>
    public ICalibrationDevice Device => _device ?? Cpu;

    /// <summary>Moves the stream through a block: afterwards it holds what enters the next one.</summary>
    /// <param name="block">Float or quantized weights.</param>
    /// <param name="observer">Shown the inputs of a float block, or null.</param>
    public void Advance(BlockWeights block, BlockObserver? observer = null) => Run(block, observer, null, last: null);

    /// <summary>The same, with the inputs summed where the block runs.</summary>
    /// <param name="block">Float weights.</param>
    /// <param name="sums">What is summed of each input, made by <see cref="Device"/>.</param>
    public void Advance(BlockWeights block, IReadOnlyDictionary<BlockInput, IInputSums> sums) => Run(block, null, sums, last: null);

    /// <summary>The same, with the inputs given where they are.</summary>
    /// <param name="block">Float weights.</param>
    /// <param name="observer">Given the inputs.</param>
    public void Advance(BlockWeights block, DeviceObserver observer) => Run(block, null, null, last: null, observer);

    /// <summary>Runs a float block without moving the stream on, and gives the inputs of its linears where they are.</summary>
    /// <param name="block">Float weights.</param>
    /// <param name="observer">Given every input of every batch, in the order of the windows.</param>
    public void Observe(BlockWeights block, DeviceObserver observer) => Run(block, null, null, BlockInput.Down, observer);

    /// <summary>The hidden states that enter the next block, of one window.</summary>
    /// <param name="window">Index of the window.</param>
    public float[] Read(int window)
    {
        float[] values = new float[_windows[window].Length * _config.HiddenSize];
        _slots[window].Read(0, values);
        return values;
    }

    /// <summary>Reads the same into memory that is there.</summary>
    /// <param name="window">Index of the window.</param>
    /// <param name="values">Receives tokens × hidden size values.</param>
    public void Read(int window, Span<float> values) => _slots[window].Read(0, values);

    /// <summary>Where the hidden states of a window lie in memory, or null.</summary>
    /// <param name="window">Index of the window.</param>
    public StoredRows? MemoryOf(int window) => _slots[window].Memory;

    /// <summary>Runs the final norm and the head on the last token of each window, after the last block.</summary>
    /// <param name="source">The model.</param>
    /// <exception cref="NonFiniteModelException">A logit is not finite.</exception>
    public void RequireFiniteLogits(IModelSource source)
    {
        Executor executor = _cpu.Executor;
        DeviceNorm norm = executor.Upload(source.LoadFinalNorm(), _config.NormEpsilon);
        DeviceTable head = executor.Upload(source.LoadHead() ?? source.LoadEmbedding());
        for (int window = 0; window < _windows.Count; window++)
        {
            _cancellation.ThrowIfCancellationRequested();
            int last = _windows[window].Length - 1;
            executor.Begin(new Batch([_windows[window][last]], [0], [last], [0]));
            executor.Write(_cpu.X, Read(window).AsSpan(last * _config.HiddenSize));
            executor.Logits(_cpu.X, norm, head, 0);
            try
            {
                executor.End();
            }
            catch (InvalidDataException e)
            {
                throw new NonFiniteModelException("The final norm and the head", "give logits that are not finite", e);
            }
        }
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (StreamSlot slot in _slots.Concat(_between ?? []))
        {
            slot.Dispose();
        }

        _cpu.Dispose();
    }

    private void Run(BlockWeights weights, BlockObserver? observer, IReadOnlyDictionary<BlockInput, IInputSums>? sums, BlockInput? last, DeviceObserver? where = null)
    {
        bool quantized = weights[BlockSlot.Query].Quantized is not null;
        if (quantized && (observer is not null || sums is not null))
        {
            throw new ArgumentException("The inputs of a quantized block are codes; observe the float block.", nameof(observer));
        }

        using BlockStage? device = _device is not null ? new BlockStage(_device.CreateExecutor(), _config.HiddenSize, 1, _context) : null;
        BlockStage stage = device ?? _cpu;
        TransformerBlock block = new(stage.Workspace, weights, quantized ? _keyValueBits : 32);
        using IInputWatch? watch = quantized ? null : device is null && where is null ? new HostWatch(weights, observer, sums) : new DeviceWatch(Device, stage.Executor, weights, observer, sums, where);
        string name = quantized ? $"{weights[BlockSlot.Down].Name} (quantized)" : weights[BlockSlot.Down].Name;
        using IColumnMaxima? results = device is not null && last is null ? _device!.CreateMaxima(_config.HiddenSize) : null;
        for (int window = 0; window < _windows.Count; window++)
        {
            ForEachBatch(stage, window, read: true, write: last is null, name, watch, results, rows =>
            {
                block.Forward(stage.Executor, stage.X, watch is null ? null : (input, values) => watch.Pass(stage.Executor, input, values, rows), last);
            });
        }

        watch?.Finished();
        RequireFinite(results, name);
    }

    private static void RequireFinite(IColumnMaxima? results, string name)
    {
        if (results is not null)
        {
            RequireFinite(Math.Abs(TensorPrimitives.MaxMagnitude<float>(results.Read())), name);
        }
    }

    private static void RequireFinite(float largest, string name) => InputWatch.RequireFinite(largest, name, "gives results that are not finite, or whose squares are not", LargestHidden);

    /// <summary>Runs the batches of a window, with the hidden states read before and written behind each.</summary>
    private void ForEachBatch(BlockStage stage, int window, bool read, bool write, string last, IInputWatch? watch, IColumnMaxima? results, Action<int> body)
    {
        Executor executor = stage.Executor;
        foreach ((Batch batch, int start) in Batches(window, executor.MaximumRows))
        {
            executor.Begin(batch);
            if (read)
            {
                Load(executor, stage.X, _slots[window], start, batch.Rows);
            }

            body(batch.Rows);
            results?.Add(executor, stage.X, batch.Rows);
            if (write)
            {
                Leave(executor, stage.X, _slots[window], start, batch.Rows);
            }

            End(executor);
            watch?.Ended(executor, batch.Rows);
            if (write && results is null)
            {
                RequireFinite(Math.Abs(TensorPrimitives.MaxMagnitude<float>(((CpuActivation)stage.X).Rows(batch.Rows))), last);
            }
        }
    }

    /// <summary>The batches of a window and the first token of each.</summary>
    private IEnumerable<(Batch Batch, int Start)> Batches(int window, int most)
    {
        int[] tokens = _windows[window];
        for (int start = 0; start < tokens.Length; start += most)
        {
            _cancellation.ThrowIfCancellationRequested();
            Batch batch = Batch.Consecutive(tokens.AsSpan(start, Math.Min(most, tokens.Length - start)), start, allLogits: false);
            yield return (new Batch(batch.Tokens, batch.Sequences, batch.Positions, []), start);
        }
    }
}
