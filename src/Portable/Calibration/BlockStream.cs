using Portable.Execution;
using Portable.Models;

namespace Portable.Calibration;

/// <summary>Sees the f32 input of the linears of a float block.</summary>
/// <param name="input">Which input.</param>
/// <param name="values">Rows × columns, rows being consecutive tokens of one window; valid during the call.</param>
/// <param name="rows">Number of rows.</param>
public delegate void BlockObserver(BlockInput input, ReadOnlySpan<float> values, int rows);

/// <summary>
/// Hidden states of calibration windows on their way through a model, block by block, on the CPU: the same forward pass that
/// serves inference, so what is calibrated is what runs. One block's weights and one batch's activations are in memory at a
/// time; the hidden states themselves spill to disk beyond the storage's budget.
/// </summary>
public sealed class BlockStream : IDisposable
{
    private readonly ModelConfig _config;
    private readonly CpuExecutor _executor = new();
    private readonly Workspace _workspace;
    private readonly DeviceRotary? _rotary;
    private readonly CpuActivation _x;
    private readonly CacheShape _floatCache;
    private readonly CacheShape _quantizedCache;
    private readonly IReadOnlyList<int[]> _windows;
    private readonly StreamSlot[] _slots;
    private readonly CancellationToken _cancellation;

    /// <summary>Embeds the windows.</summary>
    /// <param name="source">The model; its embedding is read.</param>
    /// <param name="windows">Token windows, each at most the model's context.</param>
    /// <param name="keyValueBits">KV cache of quantized blocks; float blocks use single precision.</param>
    /// <param name="storage">Keeps the hidden states.</param>
    /// <param name="cancellation">Stops between windows.</param>
    public BlockStream(IModelSource source, IReadOnlyList<int[]> windows, int keyValueBits, StreamStorage storage, CancellationToken cancellation = default)
    {
        _config = source.Config;
        _windows = windows;
        _cancellation = cancellation;
        _workspace = new Workspace(_executor, _config);
        _x = (CpuActivation)_workspace.Hidden;
        int context = windows.Max(w => w.Length);
        if (context > _config.MaximumPositions)
        {
            throw new ArgumentException($"Calibration windows of {context} tokens exceed the model's {_config.MaximumPositions} positions.");
        }

        _rotary = _config.Family == ModelFamily.Llama ? _executor.CreateRotary(_config, context) : null;
        _floatCache = new CacheShape(1, context, _config.KeyValueHeads, _config.HeadSize, 32);
        _quantizedCache = _floatCache with { Bits = keyValueBits };
        DeviceTable embedding = _executor.Upload(source.LoadEmbedding());
        DeviceTable? positions = source.LoadPositions() is { } table ? _executor.Upload(table) : null;
        _slots = [.. windows.Select(w => storage.Allocate(w.Length * _config.HiddenSize))];
        for (int window = 0; window < windows.Count; window++)
        {
            ForEachBatch(window, (start, rows) =>
            {
                _executor.Embed(embedding, positions, _config.PositionOffset, _x);
                _slots[window].Write(start * _config.HiddenSize, _x.Rows(rows));
            });
        }
    }

    /// <summary>Tokens of all windows.</summary>
    public long Tokens => _windows.Sum(w => (long)w.Length);

    /// <summary>Runs a float block without moving the stream on, and shows the inputs of its linears.</summary>
    /// <param name="block">Float weights.</param>
    /// <param name="observer">Called for every input of every batch, in the order of the windows.</param>
    public void Observe(BlockWeights block, BlockObserver observer) => Run(block, observer, advance: false);

    /// <summary>Moves the stream through a block: afterwards it holds what enters the next one.</summary>
    /// <param name="block">Float or quantized weights.</param>
    /// <param name="observer">Shown the inputs of a float block, or null.</param>
    public void Advance(BlockWeights block, BlockObserver? observer = null) => Run(block, observer, advance: true);

    /// <summary>The hidden states that enter the next block, of one window.</summary>
    /// <param name="window">Index of the window.</param>
    public float[] Read(int window)
    {
        float[] values = new float[_windows[window].Length * _config.HiddenSize];
        _slots[window].Read(0, values);
        return values;
    }

    /// <inheritdoc/>
    public void Dispose()
    {
        foreach (StreamSlot slot in _slots)
        {
            slot.Dispose();
        }

        _executor.Dispose();
    }

    private void Run(BlockWeights weights, BlockObserver? observer, bool advance)
    {
        bool quantized = weights.Query.Quantized is not null;
        if (quantized && observer is not null)
        {
            throw new ArgumentException("The inputs of a quantized block are codes; observe the float block.", nameof(observer));
        }

        TransformerBlock block = new(_executor, _workspace, _config, weights, quantized ? _quantizedCache : _floatCache);
        int rows = 0;
        Action<BlockInput, DeviceInput>? observe = observer is null ? null : (input, values) => observer(input, ((CpuInput)values).Float!.Rows(rows), rows);
        for (int window = 0; window < _windows.Count; window++)
        {
            ForEachBatch(window, (start, count) =>
            {
                rows = count;
                _slots[window].Read(start * _config.HiddenSize, _x.Rows(count));
                block.Forward(_executor, _x, _rotary, observe, finish: advance);
                if (advance)
                {
                    _slots[window].Write(start * _config.HiddenSize, _x.Rows(count));
                }
            });
        }
    }

    private void ForEachBatch(int window, Action<int, int> body)
    {
        _cancellation.ThrowIfCancellationRequested();
        int[] tokens = _windows[window];
        for (int start = 0; start < tokens.Length; start += _executor.MaximumRows)
        {
            int rows = Math.Min(_executor.MaximumRows, tokens.Length - start);
            Batch batch = Batch.Consecutive(tokens.AsSpan(start, rows), start, allLogits: false);
            _executor.Begin(new Batch(batch.Tokens, batch.Sequences, batch.Positions, []));
            body(start, rows);
            _executor.End();
        }
    }
}
