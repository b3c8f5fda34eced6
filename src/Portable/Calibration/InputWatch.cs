using System.Numerics.Tensors;
using Portable.Execution;
using Portable.Models;
using Portable.Reference.Blocks;

namespace Portable.Calibration;

/// <summary>Stands beside the passes through a float block: every input of its linears must be finite, and is shown and summed where somebody asks.</summary>
internal interface IInputWatch : IDisposable
{
    /// <summary>An input is there, in the middle of a pass.</summary>
    void Pass(Executor executor, BlockInput input, DeviceInput values, int rows);

    /// <summary>A pass has ended.</summary>
    void Ended(Executor executor, int rows);

    /// <summary>All passes have ended.</summary>
    void Finished();
}

/// <summary>What the watches have in common.</summary>
internal static class InputWatch
{
    /// <summary>Throws where a largest magnitude, which is NaN where any value is, reaches a limit.</summary>
    /// <exception cref="NonFiniteModelException">It does.</exception>
    public static void RequireFinite(float largest, string layer, string fault, float limit = float.PositiveInfinity)
    {
        if (!(largest < limit))
        {
            throw new NonFiniteModelException(layer, fault);
        }
    }

    /// <summary>The same of an input of a block.</summary>
    public static void RequireFinite(float largest, BlockWeights block, BlockInput input) => RequireFinite(largest, block.Reading(input)[0].Name, "is given inputs that are not finite");
}

/// <summary>On the CPU: every input is at hand as soon as it is there.</summary>
internal sealed class HostWatch(BlockWeights block, BlockObserver? observer, IReadOnlyDictionary<BlockInput, IInputSums>? sums) : IInputWatch
{
    public void Pass(Executor executor, BlockInput input, DeviceInput values, int rows)
    {
        Span<float> seen = ((CpuInput)values).Float!.Rows(rows);
        InputWatch.RequireFinite(Math.Abs(TensorPrimitives.MaxMagnitude<float>(seen)), block, input);
        observer?.Invoke(input, seen, rows);
        sums?.GetValueOrDefault(input)?.Add(executor, values, rows);
    }

    public void Ended(Executor executor, int rows)
    {
    }

    public void Finished()
    {
    }

    public void Dispose()
    {
    }
}

/// <summary>What a pass leaves of its inputs is looked at behind it: on a device, and where inputs are asked for where they are.</summary>
internal sealed class DeviceWatch : IInputWatch
{
    private readonly ICalibrationDevice _device;
    private readonly BlockWeights _block;
    private readonly BlockObserver? _observer;
    private readonly DeviceObserver? _where;
    private readonly IReadOnlyDictionary<BlockInput, IInputSums>? _sums;
    private readonly Dictionary<BlockInput, IColumnMaxima> _maxima;
    private readonly Dictionary<BlockInput, DeviceActivation> _kept = [];
    private float[] _rows = [];

    public DeviceWatch(ICalibrationDevice device, Executor executor, BlockWeights block, BlockObserver? observer, IReadOnlyDictionary<BlockInput, IInputSums>? sums, DeviceObserver? where)
    {
        (_device, _block, _observer, _sums, _where) = (device, block, observer, sums, where);
        _maxima = BlockInputs.All.ToDictionary(i => i, i => device.CreateMaxima(block.Layout.Columns(i)));
        if (observer is not null || where is not null)
        {
            _kept = BlockInputs.All.ToDictionary(i => i, i => executor.CreateActivation(block.Layout.Columns(i)));
        }
    }

    public void Pass(Executor executor, BlockInput input, DeviceInput values, int rows)
    {
        _maxima[input].Add(executor, values, rows);
        _sums?.GetValueOrDefault(input)?.Add(executor, values, rows);
        if (_kept.TryGetValue(input, out DeviceActivation? kept))
        {
            _device.Keep(executor, values, kept);
        }
    }

    public void Ended(Executor executor, int rows)
    {
        if (_kept.Count > 0)
        {
            // Nobody is shown what is not finite.
            Finished();
        }

        foreach (BlockInput input in BlockInputs.All)
        {
            if (_where is not null)
            {
                _where(executor, input, _kept[input], rows);
            }
            else if (_kept.TryGetValue(input, out DeviceActivation? kept))
            {
                int count = checked(rows * kept.Columns);
                Array.Resize(ref _rows, Math.Max(_rows.Length, count));
                executor.Read(kept, _rows.AsSpan(0, count));
                _observer!(input, _rows.AsSpan(0, count), rows);
            }
        }
    }

    public void Finished()
    {
        foreach (BlockInput input in BlockInputs.All)
        {
            InputWatch.RequireFinite(Math.Abs(TensorPrimitives.MaxMagnitude<float>(_maxima[input].Read())), _block, input);
        }
    }

    public void Dispose()
    {
        foreach (IColumnMaxima maxima in _maxima.Values)
        {
            maxima.Dispose();
        }
    }
}
