using Portable.Calibration;
using Portable.Execution;
using Portable.Models;

namespace Portable.Quantization.FlexQ;

/// <summary>Hidden states of many variants of a model, window beside window where a device reads them by itself, so that a pass through a block has all the rows that it takes.</summary>
/// <param name="config">The model.</param>
/// <param name="length">Tokens of every window.</param>
/// <param name="most">Rows of a pass.</param>
/// <param name="device">Where blocks run; null = on the CPU.</param>
internal sealed class VariantStack(ModelConfig config, int length, int most, ICalibrationDevice? device) : IDisposable
{
    private readonly List<StoredRows> _chunks = [];
    private readonly int _values = length * config.HiddenSize;

    /// <summary>Windows of a pass.</summary>
    public int PerPass { get; } = Math.Max(1, most / length);

    /// <summary>Windows that are there.</summary>
    public int Count { get; private set; }

    /// <summary>Adds windows.</summary>
    /// <param name="hidden">Whole windows, one behind the other.</param>
    public void Add(ReadOnlySpan<float> hidden)
    {
        for (; hidden.Length > 0; hidden = hidden[_values..])
        {
            if (Count % PerPass == 0)
            {
                _chunks.Add(Create(PerPass * _values));
            }

            _chunks[^1].Write(Count % PerPass * _values, hidden[.._values]);
            Count++;
        }
    }

    /// <summary>Reads windows.</summary>
    /// <param name="first">The first.</param>
    /// <param name="hidden">Receives whole windows.</param>
    public void Read(int first, Span<float> hidden)
    {
        for (; hidden.Length > 0; hidden = hidden[_values..], first++)
        {
            _chunks[first / PerPass].Read(first % PerPass * _values, hidden[.._values]);
        }
    }

    /// <summary>Moves all windows through a block.</summary>
    /// <param name="block">On a stage of at least <see cref="PerPass"/> windows.</param>
    /// <param name="cancellation">Stops between passes.</param>
    public void Pass(VariantBlock block, CancellationToken cancellation) => Pass(block, 0, Count, cancellation);

    /// <summary>Moves neighbouring windows through a block.</summary>
    /// <param name="block">On a stage of at least <see cref="PerPass"/> windows.</param>
    /// <param name="first">The first window.</param>
    /// <param name="count">Windows.</param>
    /// <param name="cancellation">Stops between passes.</param>
    public void Pass(VariantBlock block, int first, int count, CancellationToken cancellation)
    {
        (Executor executor, DeviceActivation x) = (block.Stage.Executor, block.Stage.X);
        for (int end = first + count, windows; first < end; first += windows)
        {
            cancellation.ThrowIfCancellationRequested();
            windows = Math.Min(PerPass - (first % PerPass), end - first);
            int rows = windows * length, from = first % PerPass * _values;
            StoredRows chunk = _chunks[first / PerPass];
            executor.Begin(new Batch(new int[rows], [.. Enumerable.Range(0, rows).Select(i => i / length)], [.. Enumerable.Range(0, rows).Select(i => i % length)], []));
            executor.Write(x, chunk, from, windows * _values);
            block.Block.Forward(executor, x);
            executor.Leave(x, chunk, from, windows * _values);
            executor.End();
        }
    }

    /// <inheritdoc/>
    public void Dispose() => _chunks.ForEach(c => c.Dispose());

    private StoredRows Create(int count) => device is null ? new ManagedRows(new float[count]) : device.TryCreateDeviceRows(count) ?? device.CreateRows(count);
}
