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

/// <summary>What a stream holds where a linear of a block reads its input.</summary>
/// <param name="Input">The input, rows × columns.</param>
/// <param name="Residual">The residual stream that the linear's output is going to be added to, rows × hidden size.</param>
internal readonly record struct BlockState(float[] Input, float[] Residual);

/// <summary>Sees two streams at the same input of a float block.</summary>
/// <param name="exact">The other stream.</param>
/// <param name="seen">This one.</param>
/// <param name="rows">Number of rows.</param>
internal delegate void BlockPairObserver(BlockState exact, BlockState seen, int rows);

/// <summary>
/// Hidden states of calibration windows on their way through a model, block by block: the same forward pass that serves
/// inference, so what is calibrated is what runs. Blocks run on any calibration device, with the same bits. One block's weights and
/// one batch's activations are in memory at a time; the hidden states themselves spill to disk beyond the storage's budget.
/// </summary>
internal sealed class BlockStream : IDisposable
{
    // Norms add squares: 2^24 of these fit f32.
    private const float LargestHidden = 1L << 51;

    private readonly ModelConfig _config;
    private readonly BlockStage _cpu;
    private readonly ICalibrationDevice? _device;
    private readonly float[] _rows;
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
        if (context > _config.MaximumPositions)
        {
            throw new ArgumentException(string.Create(CultureInfo.InvariantCulture, $"Calibration windows of {context:N0} tokens are more than the model takes ({_config.ContextText})."));
        }

        _cpu = new BlockStage(new CpuExecutor(), _config.HiddenSize, 1, context);
        (_context, _keyValueBits) = (context, keyValueBits);
        _slots = [.. windows.Select(w => storage.Allocate(w.Length * _config.HiddenSize))];
        _rows = new float[context * _config.HiddenSize];
        DeviceTable rows = _cpu.Executor.Upload(embedding ?? source.LoadEmbedding());
        DeviceTable? positions = source.LoadPositions() is { } table ? _cpu.Executor.Upload(new TableWeights(table)) : null;
        for (int window = 0; window < windows.Count; window++)
        {
            ForEachBatch(_cpu, window, read: false, write: true, "The embedding", null, _ => _cpu.Executor.Embed(rows, _config.EmbeddingScale, positions, _config.LearnedPositionOffset ?? 0, _cpu.X));
        }
    }

    /// <summary>Tokens of all windows.</summary>
    public long Tokens => _windows.Sum(w => (long)w.Length);

    /// <summary>Runs a float block without moving the stream on, and shows the inputs of its linears.</summary>
    /// <param name="block">Float weights.</param>
    /// <param name="observer">Called for every input of every batch, in the order of the windows.</param>
    /// <param name="last">The last input that is wanted: what lies behind it is not run.</param>
    public void Observe(BlockWeights block, BlockObserver observer, BlockInput last = BlockInput.Down) => Run(block, observer, null, last);

    /// <summary>Runs float blocks on this stream and on another over the same windows, batch by batch, and shows both at one of the inputs.</summary>
    /// <param name="input">The input; what lies behind it is not run, and neither stream moves on.</param>
    /// <param name="block">Float weights on this stream.</param>
    /// <param name="other">The other stream.</param>
    /// <param name="exact">Float weights on it.</param>
    /// <param name="observer">Called for every batch, in the order of the windows.</param>
    public void ObserveBeside(BlockInput input, BlockWeights block, BlockStream other, BlockWeights exact, BlockPairObserver observer)
    {
        TransformerBlock mine = new(_cpu.Workspace, block, 32), theirs = new(other._cpu.Workspace, exact, 32);
        List<BlockState> states = [];
        BlockState Run(BlockStream stream, TransformerBlock run, int rows)
        {
            BlockState state = default;
            run.Forward(stream._cpu.Executor, stream._cpu.X, Observe, input);
            return state;

            void Observe(BlockInput at, DeviceInput values)
            {
                if (at == input)
                {
                    state = new BlockState(((CpuInput)values).Float!.Rows(rows).ToArray(), ((CpuActivation)stream._cpu.X).Rows(rows).ToArray());
                    InputWatch.RequireFinite(Math.Abs(TensorPrimitives.MaxMagnitude<float>(state.Input)), block, input);
                }
            }
        }

        for (int window = 0; window < _windows.Count; window++)
        {
            int batch = 0;
            states.Clear();
            other.ForEachBatch(other._cpu, window, read: true, write: false, "", null, rows => states.Add(Run(other, theirs, rows)));
            ForEachBatch(_cpu, window, read: true, write: false, "", null, rows => observer(states[batch++], Run(this, mine, rows), rows));
        }
    }

    /// <summary>Runs a float block without moving the stream on, and sums the inputs of its linears where it runs.</summary>
    /// <param name="block">Float weights.</param>
    /// <param name="sums">What is summed of each input, made by <see cref="Device"/>.</param>
    public void Sum(BlockWeights block, IReadOnlyDictionary<BlockInput, IInputSums> sums) => Run(block, null, sums, BlockInput.Down);

    /// <summary>Where float blocks run.</summary>
    public ICalibrationDevice Device => _device ?? Cpu;

    /// <summary>Moves the stream through a block: afterwards it holds what enters the next one.</summary>
    /// <param name="block">Float or quantized weights.</param>
    /// <param name="observer">Shown the inputs of a float block, or null.</param>
    public void Advance(BlockWeights block, BlockObserver? observer = null) => Run(block, observer, null, last: null);

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
        foreach (StreamSlot slot in _slots)
        {
            slot.Dispose();
        }

        _cpu.Dispose();
    }

    private void Run(BlockWeights weights, BlockObserver? observer, IReadOnlyDictionary<BlockInput, IInputSums>? sums, BlockInput? last)
    {
        bool quantized = weights[BlockSlot.Query].Quantized is not null;
        if (quantized && (observer is not null || sums is not null))
        {
            throw new ArgumentException("The inputs of a quantized block are codes; observe the float block.", nameof(observer));
        }

        using BlockStage? device = _device is not null ? new BlockStage(_device.CreateExecutor(), _config.HiddenSize, 1, _context) : null;
        BlockStage stage = device ?? _cpu;
        TransformerBlock block = new(stage.Workspace, weights, quantized ? _keyValueBits : 32);
        using IInputWatch? watch = quantized ? null : device is null ? new HostWatch(weights, observer, sums) : new DeviceWatch(_device!, stage.Executor, weights, observer, sums);
        for (int window = 0; window < _windows.Count; window++)
        {
            ForEachBatch(stage, window, read: true, write: last is null, quantized ? $"{weights[BlockSlot.Down].Name} (quantized)" : weights[BlockSlot.Down].Name, watch, rows =>
            {
                block.Forward(stage.Executor, stage.X, watch is null ? null : (input, values) => watch.Pass(stage.Executor, input, values, rows), last);
            });
        }
    }

    /// <summary>Runs the batches of a window, with the hidden states read before and written behind each.</summary>
    private void ForEachBatch(BlockStage stage, int window, bool read, bool write, string last, IInputWatch? watch, Action<int> body)
    {
        _cancellation.ThrowIfCancellationRequested();
        int[] tokens = _windows[window];
        Executor executor = stage.Executor;
        for (int start = 0; start < tokens.Length; start += executor.MaximumRows)
        {
            int rows = Math.Min(executor.MaximumRows, tokens.Length - start), offset = start * _config.HiddenSize;
            Span<float> values = _rows.AsSpan(0, rows * _config.HiddenSize);
            Batch batch = Batch.Consecutive(tokens.AsSpan(start, rows), start, allLogits: false);
            executor.Begin(new Batch(batch.Tokens, batch.Sequences, batch.Positions, []));
            if (read)
            {
                _slots[window].Read(offset, values);
                executor.Write(stage.X, values);
            }

            body(rows);
            executor.End();
            watch?.Ended(executor, rows);
            if (write)
            {
                executor.Read(stage.X, values);
                InputWatch.RequireFinite(Math.Abs(TensorPrimitives.MaxMagnitude(values)), last, "gives results that are not finite, or whose squares are not", LargestHidden);
                _slots[window].Write(offset, values);
            }
        }
    }
}
