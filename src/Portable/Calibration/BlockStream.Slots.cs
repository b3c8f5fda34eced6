using Portable.Execution;

namespace Portable.Calibration;

/// <content>Hidden states between slots and activations: by the device itself where they are in memory, by way of a file where they are not.</content>
internal sealed partial class BlockStream
{
    private readonly List<(DeviceActivation X, StreamSlot Slot, int First, int Count)> _spilled = [];
    private float[] _rows = [];

    /// <summary>Gives the batch's rows of an activation what a slot has of them.</summary>
    private void Load(Executor executor, DeviceActivation x, StreamSlot slot, int start, int rows)
    {
        int first = start * x.Columns, count = rows * x.Columns;
        if (slot.Memory is { } memory)
        {
            executor.Write(x, memory, first, count);
            return;
        }

        Span<float> values = Scratch(count);
        slot.Read(first, values);
        executor.Write(x, values);
    }

    /// <summary>Has the batch's rows of an activation in a slot once the pass has ended.</summary>
    private void Leave(Executor executor, DeviceActivation x, StreamSlot slot, int start, int rows)
    {
        int first = start * x.Columns, count = rows * x.Columns;
        if (slot.Memory is { } memory)
        {
            executor.Leave(x, memory, first, count);
        }
        else
        {
            _spilled.Add((x, slot, first, count));
        }
    }

    /// <summary>Ends a pass.</summary>
    private void End(Executor executor)
    {
        executor.End();
        foreach ((DeviceActivation x, StreamSlot slot, int first, int count) in _spilled)
        {
            Span<float> values = Scratch(count);
            executor.Read(x, values);
            slot.Write(first, values);
        }

        _spilled.Clear();
    }

    private Span<float> Scratch(int count)
    {
        Array.Resize(ref _rows, Math.Max(_rows.Length, count));
        return _rows.AsSpan(0, count);
    }
}
